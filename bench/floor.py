"""The floor: the least that a queue in Redis costs in Python, for Horus to be held against.

A bare loop of redis-py with hiredis over the same unix socket that calls one EVALSHA a job, which
ends the last job and pops the next. No guarantee, no job class, no log. It runs in a process of its
own: ``python -m bench.floor SOCKET TOLD`` drains its queue and tells when it began and ended.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import redis

from bench.jobs import tell
from bench.service import Bench, start, stop

JOBS, READY = "floor:jobs", "floor:ready"

FINISH_AND_POP = """
if ARGV[1] ~= '' then redis.call('HDEL', KEYS[1], ARGV[1]) end
local id = redis.call('RPOP', KEYS[2])
if not id then return false end
return {id, redis.call('HGET', KEYS[1], id)}
"""


def drain(client: redis.Redis) -> None:
    """Pop until nothing is left."""
    sha = client.script_load(FINISH_AND_POP)
    job_id = b""
    while job := client.evalsha(sha, 2, JOBS, READY, job_id):
        job_id, _payload = job


def rate(at: Bench, ids: Sequence[str], payload: bytes) -> float:
    """Fill the floor's queue and have it drained; jobs a second."""
    at.raw.hset(JOBS, mapping=dict.fromkeys(ids, payload))
    at.raw.lpush(READY, *ids)
    command = [sys.executable, "-m", "bench.floor", at.socket, at.told.path]
    process = start(command, at.folder / "floor.log", at.core)
    try:
        began_ns, _ = at.told.read("the floor's beginning")
        ended_ns, _ = at.told.read("the floor's end")
    finally:
        stop(process)
    return len(ids) / (ended_ns - began_ns) * 1e9


def main(socket: str, told: str) -> None:
    """Drain once; the connection is made and warm before the clock starts."""
    client = redis.Redis(unix_socket_path=socket)
    client.ping()
    began_ns = time.monotonic_ns()
    drain(client)
    ended_ns = time.monotonic_ns()
    tell(told, began_ns)
    tell(told, ended_ns)


if __name__ == "__main__":
    main(*sys.argv[1:])
