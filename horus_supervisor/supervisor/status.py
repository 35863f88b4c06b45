"""What probes may know of a service: a line of JSON that its loop writes, ``state_dir/status``.

That is a link to a page of memory, below ``/proc``: whatever the disk does (it is full, or frozen
for a snapshot), a service that lives says so, and no turn of the loop waits for it.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from horus_supervisor import linux
from horus_supervisor.errors import HorusError
from horus_supervisor.supervisor.lock import REMEDY

FILE = "status"

_PAGE = "horus-status"

_SIZE = 4096
_TEXT_MAX = 400
"""Characters of ``text``: a line fits into ``_SIZE`` bytes even where each becomes six."""


class Status(msgspec.Struct, frozen=True):
    """A service as it was in a turn of its loop."""

    pid: int
    supervisor: str
    started_at: str
    turned_at: float
    """The turn's monotonic seconds, which all processes of a machine share."""
    ready: bool
    text: str
    """What it serves, or why it is not ready."""


class StatusFile:
    """What is read of a service that holds the lock; owns its descriptor.

    Raises ``HorusError`` where there can be none, but not for want of room.
    """

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / FILE
        try:
            with contextlib.suppress(FileNotFoundError):
                self.path.unlink()  # what a predecessor said is true no longer
            self._fd = _page(self.path)
        except OSError as error:
            what = f"state_dir {state_dir} can't be used: {FILE}: {error.strerror}"
            raise HorusError(what, remedy=REMEDY) from None

    def write(self, status: Status) -> None:
        """Say how things are. Raises ``OSError``, where it had to be a file."""
        short = msgspec.structs.replace(status, text=status.text[:_TEXT_MAX])
        os.pwrite(self._fd, msgspec.json.encode(short).ljust(_SIZE - 1) + b"\n", 0)


def _page(path: Path) -> int:
    """Give a page of memory to which ``path`` leads; a file where no link can."""
    fd = linux.memory_file(_PAGE, _SIZE)
    page = f"/proc/{os.getpid()}/fd/{fd}"
    try:
        os.stat(page)
        path.symlink_to(page)
    except OSError:  # no /proc, no room, or a file system without links
        os.close(fd)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with contextlib.suppress(OSError):  # a full disk: ``write`` tries again
            os.pwrite(fd, b" " * _SIZE, 0)
    return fd


def read(state_dir: Path) -> Status | None:
    """Read what a service said last; None where it has said nothing. Raises ``OSError``."""
    path = state_dir / FILE
    for _ in range(5):  # a write may be halfway
        try:
            if path.is_symlink() and not _leads_to_a_page(path):
                return None
            text = path.read_bytes()
        except FileNotFoundError:  # it is not there yet; a dead one's link leads nowhere
            return None
        with contextlib.suppress(msgspec.DecodeError):
            return msgspec.json.decode(text, type=Status)
    return None


def _leads_to_a_page(link: Path) -> bool:
    """Tell whether a link leads to a page of ours: a dead one's pid may be anybody's by now."""
    return os.readlink(os.readlink(link)).startswith(f"/memfd:{_PAGE} ")
