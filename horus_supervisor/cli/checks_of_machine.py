"""Is this machine fit for what the file asks for: folders, limits, cgroup, and what was left there.

Looks only; makes nothing. What the system doesn't tell (macOS has no cgroups) is not judged.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from horus_supervisor.cli.findings import Finding, error, ok, warning
from horus_supervisor.cli.output import count, size
from horus_supervisor.cli.typed import SERVICE
from horus_supervisor.embedded import INSTALL, find_server, is_held
from horus_supervisor.errors import HorusError

if TYPE_CHECKING:
    from horus_supervisor.config.schema import Config

FILES_OF_A_RUNNER = 3
FILES_OF_OURS = 128
"""As the programs have theirs from ``children.FIRST_FD`` on."""

PROCESSES_OF_OURS = 8
RUNNER_BYTES = 16 << 20
"""What a runner takes at the least: its own memory, and what job code changes after the fork."""


def look(config: Config) -> Iterator[Finding]:
    """Judge this machine, as the user who asks."""
    runners = sum(group.runners for group in config.groups)
    yield from file(config)
    yield from folders(config)
    yield from server(config)
    yield from leftovers(config.supervisor.spool)
    yield from limits(runners)
    yield from cgroup(runners, most_memory(config))


def file(config: Config) -> Iterator[Finding]:
    """Judge the file: who may read a password in it, and where its code is looked for."""
    holder = config.redis.url_file or config.file
    if config.redis.address.password and holder.stat().st_mode & stat.S_IROTH:
        why = "it holds Redis's password"
        yield warning("file", f"everybody here may read {holder}", why, f"chmod o-r {holder}")
    else:
        yield ok("file", f"{config.file}: {count(len(config.groups), 'group')}")
    for path in config.supervisor.path:
        if not os.path.isdir(path):
            why = "job code is looked for there"
            hint = "mend [supervisor] path; or run horus doctor as the service's user"
            yield error("path", f"there is no folder {path} that you may see", why, hint)


def folders(config: Config) -> Iterator[Finding]:
    """Judge whether the service could write where it must, if we ran it."""
    embedded = config.redis.address.folder
    for check, folder in (("state_dir", config.supervisor.state_dir), ("embedded Redis", embedded)):
        if folder is None:
            continue
        # not of ``Path``, which raise where we may not look into the folder
        there = next(place for place in (folder, *folder.parents) if os.path.exists(place))
        if not there.is_dir():
            yield error(check, f"{there} is no folder", "the service can't start", f"ls -l {there}")
        elif not os.access(there, os.W_OK | os.X_OK):
            why = "the service can't start, if it is run by this user"
            hint = f"ls -ld {there}; or run horus doctor as the service's user"
            yield error(check, f"you may not write in {there}", why, hint)
        else:
            new = "" if there == folder else " (to be made)"
            yield ok(check, f"{folder}{new}")


def server(config: Config) -> Iterator[Finding]:
    """Find that there is no program to start as the embedded Redis."""
    if config.redis.address.folder is None:
        return
    try:
        find_server()
    except HorusError as failed:
        yield error("embedded Redis", failed.what, "the service can't start it", INSTALL)


def leftovers(spool: Path) -> Iterator[Finding]:
    """Find what a service left for its successor, where none runs to take it."""
    try:
        names = os.listdir(spool)
    except FileNotFoundError:
        names = []
    except OSError as failed:
        why = "whether calls wait there is unknown"
        yield warning("spool", f"{spool}: {failed.strerror}", why, "ask as the service's user")
        return
    calls = sum(name.endswith(".call") for name in names)
    opened = sum(name.endswith(".open") for name in names)
    if not (calls or opened):
        yield ok("spool", "nothing is left to hand in")
    elif _service_runs(spool.parent):
        yield ok("spool", "a service runs and looks after it")
    else:
        what = f"{count(calls, 'call')} and {count(opened, 'service')} to close wait in {spool}"
        why = "how those jobs ended is told to Redis by the next service that starts here"
        yield warning("spool", what, why, SERVICE)


def _service_runs(state_dir: Path) -> bool:
    with contextlib.suppress(OSError):  # another user's
        return is_held(state_dir / "lock")
    return False


def limits(runners: int) -> Iterator[Finding]:
    """Judge the limits that this shell hands on."""
    import resource

    files = FILES_OF_OURS + FILES_OF_A_RUNNER * runners
    yield _limit("nofile", resource.getrlimit(resource.RLIMIT_NOFILE)[1], files, "open files", "-n")
    processes = PROCESSES_OF_OURS + runners
    most = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    yield _limit("nproc", most, processes, "processes", "-u")


def _limit(check: str, most: int, needed: int, what: str, option: str) -> Finding:
    import resource

    if most == resource.RLIM_INFINITY:
        return ok(check, f"no limit of {what}")
    if most < needed:
        why = "the file asks for more runners than can be started"
        hint = f"ulimit {option} {2 * needed}, or Limit{check.upper()}= in the unit"
        return error(check, f"at most {most:,} {what}, {needed:,} are needed", why, hint)
    return ok(check, f"{most:,} {what}, {needed:,} are needed")


def most_memory(config: Config) -> int:
    """Tell what the runners may take together by the file, as far as it says."""
    return sum(
        group.runners * (group.hard_memory or group.max_memory or RUNNER_BYTES)
        for group in config.groups
    )


def cgroup(runners: int, memory: int, root: Path = Path("/")) -> Iterator[Finding]:
    """Judge the limits of our cgroup, version 2: in a container, those of the service too.

    Those of the slices above it hold as well.
    """
    folders = _cgroup_folders(root)
    most = _least(folders, "memory.max")
    if most is not None and most < memory:
        what = f"memory.max is {size(most)}, the runners may take {size(memory)}"
        why = "the kernel kills whatever takes the last of it, Redis or the supervisor too"
        yield warning("cgroup memory", what, why, "fewer runners, a lower max_memory, or more")
    elif most is not None:
        yield ok("cgroup memory", f"{size(most)}, the runners may take {size(memory)}")
    if any(_number(folder / "memory.oom.group") == 1 for folder in folders):
        why = "one runner out of memory ends the whole service, and every job in it"
        hint = "OOMPolicy=continue in the unit; singleProcessOOMKill on the kubelet"
        yield error("cgroup oom", "memory.oom.group is set", why, hint)
    processes = _least(folders, "pids.max")
    if processes is not None and processes < runners + PROCESSES_OF_OURS:
        what = f"at most {processes} processes, {runners + PROCESSES_OF_OURS} are needed"
        hint = "TasksMax= in the unit; --pids-limit of the container"
        yield error("cgroup pids", what, "runners can't be forked", hint)


def _cgroup_folders(root: Path) -> list[Path]:
    """Give the folder of our cgroup and those of the ones above it; none without version 2."""
    with contextlib.suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            if line.startswith("0::"):
                top = root / "sys/fs/cgroup"  # of a container it may be its own group
                ours = top / line[3:].lstrip("/")
                chain = [at for at in (ours, *ours.parents) if at.is_relative_to(top)]
                return [at for at in chain if (at / "cgroup.controllers").exists()]
    return []


def _least(folders: list[Path], name: str) -> int | None:
    limits = (_number(folder / name) for folder in folders)
    return min((limit for limit in limits if limit is not None), default=None)


def _number(path: Path) -> int | None:
    """Read a limit; None where there is none."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # ValueError: it says "max"
        return None
