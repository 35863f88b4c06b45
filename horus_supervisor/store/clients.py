"""Who is connected to Redis: listed, and sent away by name. Over a wire that owes no reply."""

from __future__ import annotations

import contextlib

from horus_supervisor.errors import RedisRefused
from horus_supervisor.store.wire import Wire


def connected(wire: Wire) -> list[dict[str, str]]:
    """List Redis's clients, with what it tells of each: ``id``, ``name``, ``idle``.

    Raises: ``RedisRefused`` where the user may not ask.
    """
    wire.send_raw("CLIENT", "LIST")
    listing: bytes = wire.receive_reply()
    lines = listing.decode(errors="replace").splitlines()
    return [dict(word.partition("=")[::2] for word in line.split(" ")) for line in lines]


def kill_clients(wire: Wire, name_prefix: str) -> int:
    """Close Redis's connections to clients whose name begins so; tells how many were closed.

    Does what it may: without the permission for CLIENT it closes none.
    """
    killed = 0
    with contextlib.suppress(RedisRefused):
        for client in connected(wire):
            if client.get("name", "").startswith(name_prefix):
                wire.send_raw("CLIENT", "KILL", "ID", client["id"])
                killed += wire.receive_reply()
    return killed
