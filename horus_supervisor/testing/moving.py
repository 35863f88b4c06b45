"""Time for the jobs that wait: the clock is Redis's, so their own times are moved instead."""

from __future__ import annotations

import re
from typing import Any

from horus_supervisor.client import Client
from horus_supervisor.store.operations import prefix

_EXPIRES = re.compile(rb"((?:\d* ){9}\S+ \S+ )(\d+)( \S*\n)")
"""The head of a packed job that may expire: what stands before its time, the time, the rest."""


def advance(client: Client, by_ms: int) -> None:
    """Make all that is scheduled due, and all that expires expire, so much sooner."""
    redis: Any = client.connection.raw
    ours = prefix(client.namespace)
    for queue in redis.zrange(f"{ours}due", 0, -1):
        redis.zincrby(f"{ours}due", -by_ms, queue)
        scheduled = f"{ours}scheduled:".encode() + queue
        for job_id in redis.zrange(scheduled, 0, -1):
            redis.zincrby(scheduled, -by_ms, job_id)
    for job_id, packed in redis.hgetall(f"{ours}jobs").items():
        if found := _EXPIRES.match(packed):
            head, expires_ms, rest = found.groups()
            moved = b"%b%d%b%b" % (head, int(expires_ms) - by_ms, rest, packed[found.end() :])
            redis.hset(f"{ours}jobs", job_id, moved)
