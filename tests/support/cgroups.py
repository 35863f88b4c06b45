"""Control groups of the tests' own, where this machine lets us make one. cgroups(7), v1 and v2."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.waiting import wait_until


def _home(controller: str) -> tuple[Path, bool]:
    """Find where groups of a controller are made; whether that is version 2."""
    unified = Path("/sys/fs/cgroup")
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return Path(f"/sys/fs/cgroup/{controller}{path}"), False
        if not controllers and (unified / "cgroup.controllers").exists():
            return Path(f"{unified}{path}"), True
    pytest.skip(f"no cgroup with {controller} here")


@contextlib.contextmanager
def cgroup(controller: str, **limits: str) -> Iterator[Path]:
    """Make a group with limits (v1 name, ``__`` for a dot -> value); skips where that can't be."""
    home, unified = _home(controller)
    folder = home / f"horus-test-{uuid.uuid4().hex[:8]}"
    names = {"memory.limit_in_bytes": "memory.max"} if unified else {}
    try:
        folder.mkdir()
        for name, value in limits.items():
            dotted = name.replace("__", ".")
            (folder / names.get(dotted, dotted)).write_text(value)
    except OSError as error:
        with contextlib.suppress(OSError):
            folder.rmdir()
        pytest.skip(f"no cgroup of ours can be made or limited here: {error}")
    try:
        yield folder
    finally:
        if (state := folder / "freezer.state").exists():
            state.write_text("THAWED")  # whoever a failed test left in it can end
        wait_until(lambda: _removed(folder), "the cgroup is empty and removed")


def _removed(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        folder.rmdir()
    return not folder.exists()


def enter(folder: Path) -> list[str]:
    """Give a command that runs the one after it in a group."""
    return ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(folder / "cgroup.procs")]


def enter_as_a_container(folder: Path) -> list[str]:
    """The same, where it sees its own group alone, at the top: Docker with the host's namespace."""
    top = next(at for at in folder.parents if at.is_mount())
    mount = f"mount --bind {folder} {top}"
    return [*enter(folder), "unshare", "--mount", "sh", "-c", f'{mount} && exec "$0" "$@"']


def move(folder: Path, pid: int) -> None:
    """Put a process into a group."""
    (folder / "cgroup.procs").write_text(str(pid))
