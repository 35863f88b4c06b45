"""The lock on a service's folder."""

from __future__ import annotations

import errno
import fcntl
import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from horus_supervisor import guard, proc
from horus_supervisor.errors import HorusError
from horus_supervisor.supervisor import lock
from tests.support.descriptors import open_descriptors

HOLD = """
import sys
from pathlib import Path
from horus_supervisor.supervisor import lock
fd = lock.take(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse soon."""
    monkeypatch.setattr(lock, "WAIT_S", 0.05)


@pytest.mark.usefixtures("hasty")
def test_a_second_taker_is_refused_and_told_the_holders_pid(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(lock.AlreadyRunning, match=rf"\b{holder.pid}\b"):
            lock.take(tmp_path)
        holder.kill()
    os.close(lock.take(tmp_path))


@pytest.mark.usefixtures("hasty")
def test_whoever_inherits_the_descriptor_holds_the_lock(tmp_path: Path) -> None:
    fd = lock.take(tmp_path)
    heir = subprocess.Popen(["sleep", "60"], pass_fds=[fd])
    os.close(fd)
    try:
        with pytest.raises(lock.AlreadyRunning, match=rf"\b{heir.pid}\b"):
            lock.take(tmp_path)
    finally:
        heir.kill()
        heir.wait()
    os.close(lock.take(tmp_path))


@pytest.mark.usefixtures("hasty")
def test_of_several_holders_the_one_that_began_first_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the lowest pid: that is a child's, where the numbers began anew before it was forked."""
    fd = lock.take(tmp_path)
    hold = functools.partial(subprocess.Popen, ["sleep", "60"], pass_fds=[fd])
    with hold() as child, hold() as first:
        os.close(fd)
        began = {child.pid: 2, first.pid: 1}
        monkeypatch.setattr(proc, "started", began.__getitem__)
        with pytest.raises(lock.AlreadyRunning, match=rf"\(pid {first.pid}\)"):
            lock.take(tmp_path)
        child.kill()
        first.kill()


def test_the_lock_is_not_inherited_unasked(tmp_path: Path) -> None:
    fd = lock.take(tmp_path)
    assert not os.get_inheritable(fd)
    os.close(fd)


@pytest.mark.usefixtures("hasty")
def test_a_refusal_leaves_no_descriptor_open(tmp_path: Path) -> None:
    fd = lock.take(tmp_path)
    before = len(open_descriptors())
    with pytest.raises(lock.AlreadyRunning):
        lock.take(tmp_path)
    assert len(open_descriptors()) == before
    os.close(fd)


def test_the_folder_is_made(tmp_path: Path) -> None:
    os.close(lock.take(tmp_path / "a" / "b"))
    assert (tmp_path / "a" / "b" / "lock").exists()


def test_a_folder_that_can_not_be_made_is_named_with_its_key(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for state_dir in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(HorusError, match=rf"^state_dir {state_dir} can't be used: \w+"):
            lock.take(state_dir)


def test_a_folder_on_which_nothing_can_be_locked_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a network's file system whose server has no locks."""

    def refuse(_fd: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    before = open_descriptors()
    with pytest.raises(HorusError, match="can't be locked: No locks") as told:
        lock.take(tmp_path)
    assert str(tmp_path) in str(told.value)
    assert open_descriptors() == before


def test_a_successor_waits_well_longer_than_its_predecessors_redis_may_take_to_end() -> None:
    """Guard and server hold both locks, that of the service's folder too; a host may be busy."""
    assert guard.RITES_S + guard.STOP_S + 1 <= lock.WAIT_S
