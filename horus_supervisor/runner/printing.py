"""Whose words are whose: marks in the output pipe around what a job prints.

Jobs follow each other faster than the supervisor reads, and one pipe holds the words of all. What
goes through ``sys.stdout`` and ``sys.stderr``, those of the import too, notes a mark before a job's
first word, and the runner another after its last. A job that prints nothing costs nothing; what C
code or a child writes to the descriptors has no mark of its own.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Any

from horus_supervisor import messages

_job: tuple[bytes, int] | None = None
_begun = False
_kept: list[io.TextIOWrapper] = []
"""A stream that goes closes its buffer, of which an import may have made another one."""


class _Marked(io.RawIOBase):
    """Writes to a descriptor, which it does not close, with a mark before a job's first word."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, data: Any, /) -> int:
        """Write all of it: a text stream drops what a signal kept from being written."""
        if not _begun and _job is not None:
            _begin(*_job)
        rest = memoryview(data)
        size = rest.nbytes
        while (written := os.write(self._fd, rest)) < rest.nbytes:
            rest = rest.cast("B")[written:]
        return size

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd


def mark_streams() -> None:
    """Let ``sys.stdout`` and ``sys.stderr`` mark what is written to them from now on."""
    _kept.extend([marked(1), marked(2)])
    sys.stdout, sys.stderr = _kept[-2:]


def marked(fd: int) -> io.TextIOWrapper:
    """Make a stream on a descriptor that marks whose words it writes."""
    return io.TextIOWrapper(
        _Marked(fd),  # type: ignore[arg-type]  # what a text wrapper asks of a raw file it has
        encoding="utf-8",
        errors="backslashreplace",
        write_through=True,
    )


def say(text: str) -> None:
    """Tell a job's author something, as if the job itself had printed it; it may have closed 2."""
    if _kept and not _begun and _job is not None:
        _begin(*_job)
    with contextlib.suppress(OSError):
        os.write(2, text.encode("utf-8", "backslashreplace"))


def expect(job: bytes, attempt: int) -> None:
    """Say whose words come from now on; ``job``: id, name and queue, parted by NUL."""
    global _job
    _job = job, attempt


def _begin(job: bytes, attempt: int) -> None:
    global _begun
    _begun = True
    with contextlib.suppress(OSError):  # a job may have closed it
        os.write(1, messages.words_of(job, attempt))


def end() -> None:
    """Mark the end of a job's words, if it had any."""
    global _job, _begun
    _job = None
    if _begun:
        _begun = False
        os.write(1, messages.ENDED)
