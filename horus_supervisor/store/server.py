"""What a server tells of itself, to who looks for trouble. Over a wire that owes no reply."""

from __future__ import annotations

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
