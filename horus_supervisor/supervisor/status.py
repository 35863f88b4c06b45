"""What probes may know of a service: a line of JSON in ``state_dir/status``, which its loop writes.

Written in place, into the page that the file has from its first line on: no disk that is full by
now keeps a service that lives from saying so, and no turn of the loop waits for a journal.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from horus_supervisor.errors import HorusError
from horus_supervisor.supervisor.lock import REMEDY

FILE = "status"

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
    """The file of a service that holds the lock; owns its descriptor.

    Raises ``HorusError`` where there can be none, but not for want of room.
    """

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / FILE
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._fd = os.open(self.path, flags, 0o600)
        except OSError as error:
            what = f"state_dir {state_dir} can't be used: {FILE}: {error.strerror}"
            raise HorusError(what, remedy=REMEDY) from None
        with contextlib.suppress(OSError):  # a new file on a full disk: ``write`` tries again
            os.pwrite(self._fd, b" " * _SIZE, 0)  # what a predecessor said is true no longer

    def write(self, status: Status) -> None:
        """Say how things are. Raises ``OSError``."""
        short = msgspec.structs.replace(status, text=status.text[:_TEXT_MAX])
        os.pwrite(self._fd, msgspec.json.encode(short).ljust(_SIZE - 1) + b"\n", 0)


def read(state_dir: Path) -> Status | None:
    """Read what a service said last; None where it has said nothing. Raises ``OSError``."""
    for _ in range(5):  # a write may be halfway
        text = (state_dir / FILE).read_bytes()
        try:
            return msgspec.json.decode(text, type=Status)
        except msgspec.DecodeError:
            continue
    return None
