"""The lock on ``state_dir``: one service a folder, and proof that a predecessor is dead.

``flock`` on a file that supervisor, template, keeper, guard and runners all hold open: whoever gets
it knows that none of them is left. Job children let go of it.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import msgspec

from horus_supervisor import embedded, linux, proc
from horus_supervisor.errors import HorusError

WAIT_S = 3.0
"""Well above what a guard takes to end the server of a supervisor that is gone: both hold locks."""


REMEDY = "give it a folder that our user may write to, with all that is in it"


class Held(msgspec.Struct, frozen=True):
    """What a service holds by keeping it open: its state folder, and its embedded Redis's."""

    lock_fd: int
    folder_fd: int | None


class AlreadyRunning(HorusError):
    """Another service holds this folder."""


def take_folder(folder: Path) -> int:
    """Take an embedded Redis's folder for this service; give the descriptor that holds it.

    Raises ``HorusError`` naming the holder after ``WAIT_S`` seconds, or where the folder won't do
    or no server is there to be started in it.
    """
    embedded.check_for_server()
    embedded.prepare_folder(folder)
    until = time.monotonic() + WAIT_S
    while True:
        try:
            return embedded.lock_folder(folder)
        except HorusError:
            if time.monotonic() >= until:
                raise
            time.sleep(0.02)


def take(state_dir: Path) -> int:
    """Take the lock; give its descriptor. Raises ``AlreadyRunning`` after ``WAIT_S`` seconds."""
    path = state_dir / "lock"
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        where = "lock: " if error.filename == str(path) else ""
        what = f"state_dir {state_dir} can't be used: {where}{error.strerror}"
        raise HorusError(what, remedy=REMEDY) from None
    until = time.monotonic() + WAIT_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < until:
                time.sleep(0.02)
                continue
            pids = [pid for pid in linux.holders(path) if pid != os.getpid()]
            os.close(fd)  # the others inherited it from the first
            who = f"pid {min(pids, key=proc.started)}" if pids else "a process that we may not see"
            raise AlreadyRunning(
                f"another service runs on {state_dir} ({who}); "
                "stop it, or give this one a state_dir of its own"
            ) from None
        except OSError as error:
            os.close(fd)
            why = f"state_dir {state_dir} can't be locked: {error.strerror}"
            raise HorusError(why, remedy="give it a folder on a local disk") from None
        return fd
