"""What only the kernel can do, each with its man page. On macOS the calls that it lacks do nothing.

Never decides anything: callers say when.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import functools
import os
import resource
import signal
import sys
from pathlib import Path

LINUX = sys.platform == "linux"

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36

WAKE_SIGNAL = int(getattr(signal, "SIGRTMIN", signal.SIGUSR2)) + (2 if LINUX else 0)
"""Supervisor to runner: look at your slot's control word, and at your deadline."""

DUMP_SIGNAL = int(getattr(signal, "SIGRTMIN", signal.SIGUSR1)) + (1 if LINUX else 0)
"""Supervisor to runner: write the stack of every thread into your memory file (faulthandler)."""


def signal_name(number: int) -> str:
    """Name a signal; real-time ones by their number. signal(7)."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int | bytes) -> None:
    if not LINUX:
        return
    if _libc().prctl(option, value, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl({option}): {os.strerror(error)}")


def die_with_parent(sig: int = signal.SIGKILL) -> None:
    """Have the kernel send ``sig`` when the parent's thread that forked us ends. prctl(2).

    The parent may be gone already: compare ``os.getppid()`` afterwards.
    """
    _prctl(_PR_SET_PDEATHSIG, int(sig))


def adopt_orphans(adopt: bool = True) -> None:
    """Become the parent of descendants whose own parent ends. PR_SET_CHILD_SUBREAPER, prctl(2)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, int(adopt))


def name_process(name: str) -> None:
    """Set the name that ``ps -o comm`` and ``top`` show, at most 15 bytes. prctl(2)."""
    _prctl(_PR_SET_NAME, name.encode()[:15])


def allow_descriptors(most: int = 16384) -> None:
    """Raise our soft limit of open files to the hard one, ``most`` at most. setrlimit(2)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_descriptors() -> int:
    """Tell our soft limit of open files. getrlimit(2)."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def memory_file(name: str, size: int = 0) -> int:
    """Open a file that lives in memory only; closed at exec. memfd_create(2).

    One with a size keeps it, whoever holds it: a mapping that lost its file kills who looks at it
    (SIGBUS). fcntl(2), F_ADD_SEALS.
    """
    if not LINUX:
        import tempfile

        fd, path = tempfile.mkstemp(prefix=name)
        os.unlink(path)
        os.ftruncate(fd, size)
        return fd
    if not size:
        return os.memfd_create(name, os.MFD_CLOEXEC)
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return fd


def open_pidfd(pid: int) -> int | None:
    """Open a descriptor that is readable once the process has ended. pidfd_open(2).

    None where it is gone already, or where none is to be had: an old sandbox refuses the call.
    """
    if not LINUX:
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def kill_group(pgid: int, sig: int = signal.SIGKILL) -> bool:
    """Signal a process group; False where none of it is left. killpg(2)."""
    if pgid <= 1:  # 0 is our own group, 1 and below everybody: never
        return False
    try:
        os.killpg(pgid, sig)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def threads() -> int:
    """Tell how many threads this process has. proc(5); one where the kernel does not tell."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return 1


def private_memory_bytes(pid: int | str = "self") -> int:
    """Tell what a process has for itself: private pages and swap. proc_pid_smaps_rollup(5).

    About 0.5 ms at 50 MB; zero where the kernel does not tell.
    """
    total = 0
    with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup", "rb") as file:
        for line in file:
            if line.startswith((b"Private_", b"Swap:")):
                total += int(line.split()[1]) * 1024
    return total


def oom_kills() -> int:
    """Tell how many processes of our cgroup the kernel killed for memory. cgroups(7), v2 and v1.

    Zero where it can't be known.
    """
    for path in _oom_files():
        with contextlib.suppress(OSError, ValueError, IndexError):
            for line in path.read_text().splitlines():
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
    return 0


def _oom_files() -> list[Path]:
    """Name where the counter may be; a container may see its own group alone, at the top."""
    found: list[Path] = []
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                top, name = "/sys/fs/cgroup", "memory.events"
            elif "memory" in controllers.split(","):
                top, name = "/sys/fs/cgroup/memory", "memory.oom_control"
            else:
                continue
            found += Path(top + path, name), Path(top, name)
    return found


def holders(path: Path) -> list[int]:
    """List the processes that have a file open, as far as we may see. proc(5)."""
    try:
        wanted = path.stat()
    except OSError:
        return []
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            for fd in (entry / "fd").iterdir():
                with contextlib.suppress(OSError):
                    seen = fd.stat()
                    if (seen.st_ino, seen.st_dev) == (wanted.st_ino, wanted.st_dev):
                        found.append(int(entry.name))
                        break
    return found
