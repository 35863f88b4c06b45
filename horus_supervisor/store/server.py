"""What a server tells of itself and of its clients, whom it may be told to send away.

Over a wire that owes no reply.
"""

from __future__ import annotations

import contextlib

from horus_supervisor.errors import RedisRefused
from horus_supervisor.store.wire import Wire


def info(wire: Wire) -> dict[str, str]:
    """Read INFO, all sections as one. Raises: ``RedisRefused`` where the user may not ask."""
    wire.send_raw("INFO")
    told: bytes = wire.receive_reply()
    pairs = (line.partition(":") for line in told.decode(errors="replace").splitlines())
    return {name: value for name, colon, value in pairs if colon}


def now_s(wire: Wire) -> float:
    """Tell the server's clock: seconds since 1970."""
    wire.send_raw("TIME")
    seconds, micros = wire.receive_reply()
    return int(seconds) + int(micros) / 1e6


def clients(wire: Wire) -> list[dict[str, str]]:
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
        for client in clients(wire):
            if client.get("name", "").startswith(name_prefix):
                wire.send_raw("CLIENT", "KILL", "ID", client["id"])
                killed += wire.receive_reply()
    return killed
