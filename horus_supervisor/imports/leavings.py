"""What an import leaves in its process that runners should not be forked with.

A thread is not there in a fork, and what it had locked stays locked; one connection for all
runners is talked on by all at once; signal handlers are put back. Only looks. Not seen is what C
code does on its own: the threads of numpy's libraries know of forks.
"""

from __future__ import annotations

import os
import signal
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress

import msgspec

from horus_supervisor import linux

_Socket = tuple[int, int]
"""Descriptor and inode: a number alone may be another's by now."""


class Process(msgspec.Struct, frozen=True):
    """A process as it is before an import."""

    threads: frozenset[threading.Thread]
    sockets: frozenset[_Socket]
    handlers: dict[int, object]


def look() -> Process:
    """See how this process is."""
    handlers: dict[int, object] = {n: signal.getsignal(n) for n in signal.valid_signals()}
    return Process(frozenset(threading.enumerate()), frozenset(_sockets()), handlers)


def left_since(before: Process) -> str:
    """Name what is there by now, ``a thread (pool-1), a handler of SIGTERM``; '': nothing.

    Never raises: an import does not fail because its threads have no name that could be told.
    """
    try:
        return ", ".join(sorted(_found(before, look())))
    except Exception as error:
        return f"what can't be told ({type(error).__name__})"


def _found(before: Process, now: Process) -> Iterator[str]:
    for thread in now.threads - before.threads:
        yield f"a thread ({thread.name})"
    for fd, _ in now.sockets - before.sockets:
        if peer := _peer(fd):
            yield peer
    for number, handler in now.handlers.items():
        if handler is not before.handlers[number]:
            yield f"a handler of {linux.signal_name(number)}"


def _sockets() -> Iterator[_Socket]:
    names: list[str] = []
    with suppress(OSError):  # no descriptor is free, or /dev is not there
        names = os.listdir("/dev/fd")
    for name in names:
        with suppress(OSError):  # the descriptor by which the folder was read
            status = os.fstat(int(name))
            if stat.S_ISSOCK(status.st_mode):
                yield int(name), status.st_ino


def _peer(fd: int) -> str:
    """Tell where a connection leads; '' for a pair within the process, or no connection."""
    with suppress(OSError), socket.socket(fileno=os.dup(fd)) as copy:
        peer = copy.getpeername()
        where = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else str(peer)
        return f"a connection to {where}" if where else ""
    return ""
