"""What stands in a file, whatever somebody put in its place; and what its paths mean.

Nobody is kept waiting by it.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from pathlib import Path

MOST_BYTES = 1 << 20

PIPE_S = 10.0
"""Seconds in which a pipe has to be written to its end."""


def content(path: Path, *, pipes: bool = False) -> bytes:
    """Read a regular file; ``pipes``: a pipe too, to its end. Raises: ``OSError``."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        mode = os.fstat(fd).st_mode
        if stat.S_ISDIR(mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not (stat.S_ISREG(mode) or (pipes and stat.S_ISFIFO(mode))):
            raise OSError(errno.EINVAL, "not a regular file")
        return _to_its_end(fd)
    finally:
        os.close(fd)


def is_missing(path: Path) -> bool:
    """Tell whether there is no such file; not where we may not look into its folder."""
    try:
        path.stat()
    except OSError as error:
        return isinstance(error, FileNotFoundError | NotADirectoryError)
    return False


def beside(file: Path, path: str) -> Path:
    """Tell what a file means by a path: a relative one begins in its folder."""
    return Path(os.path.abspath(file.absolute().parent / Path(path).expanduser()))


def state_dir(file: Path, named: object) -> Path:
    """Tell a file's state folder: what it has for it, or NAME.state beside NAME.toml."""
    return beside(file, named if isinstance(named, str) else f"{file.stem}.state")


def _to_its_end(fd: int) -> bytes:
    found = b""
    until = time.monotonic() + PIPE_S
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    while len(found) <= MOST_BYTES:
        if not poll.poll(max(until - time.monotonic(), 0) * 1000):
            raise OSError(errno.ETIMEDOUT, f"nobody wrote it to its end in {PIPE_S:.0f} s")
        piece = os.read(fd, MOST_BYTES + 1 - len(found))
        if not piece:
            return found
        found += piece
    raise OSError(errno.EFBIG, "longer than 1 MiB")
