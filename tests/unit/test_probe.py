"""Where a probe looks, and why a service is not ready."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest
from msgspec.structs import replace

from horus_supervisor import logs
from horus_supervisor.clock import SystemClock
from horus_supervisor.config.load import load
from horus_supervisor.errors import HorusError
from horus_supervisor.supervisor import lock
from horus_supervisor.supervisor.probe import ask, state_dir
from horus_supervisor.supervisor.standing import Seen, Standing, why_not
from horus_supervisor.supervisor.status import Status, StatusFile, read

FILE = '[redis]\nurl = "redis://localhost"\n[supervisor]\nimports = ["a"]\n{}\n[queues]\nq = 1\n'


@pytest.mark.parametrize("line", ["", "state_dir = 'here'", 'state_dir = "/a/b"  # there'])
def test_a_probe_looks_where_the_service_is(tmp_path: Path, line: str) -> None:
    file = tmp_path / "shop.toml"
    file.write_text(FILE.format(line))
    assert state_dir(file) == load(file).supervisor.state_dir


@pytest.mark.parametrize("broken", ["[queues\n", "x = \n", "\ufeff", "[supervisor]\n"])
def test_a_probe_finds_it_though_the_file_has_mistakes(tmp_path: Path, broken: str) -> None:
    file = tmp_path / "shop.toml"
    file.write_text(FILE.format('state_dir = "here"') + broken)
    assert state_dir(file) == tmp_path / "here"


WELL = Seen(registered=True, imported=True, alive=2, wanted=2, stopping=False, reloading=False)


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (WELL, None),
        (replace(WELL, stopping=True, registered=False), "it stops"),
        (replace(WELL, registered=False, alive=0), "it is not registered in Redis yet"),
        (replace(WELL, alive=1), "1 of 2 runners"),
        (
            replace(WELL, alive=0, imported=False),
            "0 of 2 runners, as the job code is not imported",
        ),
        (replace(WELL, imported=False), None),
        (replace(WELL, alive=0, wanted=0), None),
    ],
)
def test_the_first_thing_that_is_lacking_is_named(seen: Seen, why: str | None) -> None:
    assert why_not(seen, None) == why


def test_a_log_that_is_full_for_long_is_named_and_forgotten_once_it_has_room(
    tmp_path: Path,
) -> None:
    standing = Standing(tmp_path, SystemClock())
    log = logs.bind(lambda _: None, {})
    full = replace(WELL, log_full=True)

    def is_unread(seen: Seen, now: float) -> bool:
        standing.look(seen, "s", log, now)
        told = read(tmp_path)
        assert told
        assert told.ready is not standing.facts["unread"]
        return "its log takes no more lines" in told.text

    turns = (1.0, 2.0, 3.0, 4.0, 5.0, 5.9, 6.0)  # a second of a pause of ours counts at most
    assert [is_unread(full, now) for now in turns] == [False] * 6 + [True]
    assert not is_unread(WELL, 7.0)
    assert not is_unread(full, 8.0), "it had room in between"
    assert not any(is_unread(WELL, float(now)) for now in range(9, 18)), "room all the time"


def test_a_turn_that_is_yet_to_come_was_said_before_the_machine_started_anew(
    tmp_path: Path,
) -> None:
    held = lock.take(tmp_path)
    turned_at = SystemClock().monotonic() + 1000
    StatusFile(tmp_path).write(Status(os.getpid(), "s", "t", turned_at, True, "serving"))
    assert ask(tmp_path, "live") == (False, "the service starts, and has not turned its loop yet")
    os.close(held)


def test_a_long_text_is_cut_and_a_short_one_leaves_nothing_of_it(tmp_path: Path) -> None:
    file = StatusFile(tmp_path)
    assert read(tmp_path) is None
    status = Status(1, "s", "t", 2.0, False, "\x01" * 100_000)
    file.write(status)
    assert (tmp_path / "status").stat().st_size == 4096
    told = read(tmp_path)
    assert told
    assert told.text == "\x01" * 400
    short = Status(1, "s", "t", 2.0, True, "serving")
    file.write(short)
    assert read(tmp_path) == short


def test_a_start_empties_what_a_predecessor_said(tmp_path: Path) -> None:
    StatusFile(tmp_path).write(Status(1, "s", "t", 2.0, True, "serving"))
    StatusFile(tmp_path)
    assert read(tmp_path) is None


def test_what_is_said_touches_no_disk(tmp_path: Path) -> None:
    """It may be frozen for a snapshot: whoever writes to it then stands still."""
    file = StatusFile(tmp_path)
    assert (tmp_path / "status").is_symlink()
    before = [path.lstat() for path in (tmp_path, tmp_path / "status")]
    file.write(Status(1, "s", "t", 2.0, True, "serving"))
    assert [path.lstat() for path in (tmp_path, tmp_path / "status")] == before
    assert [path.name for path in tmp_path.iterdir()] == ["status"]


def test_what_a_link_of_a_dead_service_leads_to_by_now_is_not_read(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"for somebody else")
    (tmp_path / "status").symlink_to(f"/proc/{os.getpid()}/fd/{reading}")
    assert read(tmp_path) is None
    assert os.read(reading, 100) == b"for somebody else"
    os.close(reading)
    os.close(writing)


def test_where_there_can_be_no_link_a_file_says_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    told = Status(1, "s", "t", 2.0, True, "serving")
    StatusFile(tmp_path).write(told)
    monkeypatch.setattr(Path, "symlink_to", refuse)
    file = StatusFile(tmp_path)
    assert read(tmp_path) is None
    _, hard = before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(OSError, match="too large"):  # as on a disk without room
            file.write(told)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    file.write(told)
    assert read(tmp_path) == told
    assert (tmp_path / "status").stat().st_mode & 0o777 == 0o600


def test_a_status_that_can_not_be_written_at_all_is_told_with_its_key(tmp_path: Path) -> None:
    (tmp_path / "status").mkdir()
    with pytest.raises(HorusError, match=f"^state_dir {tmp_path} can't be used: status: Is a dir"):
        StatusFile(tmp_path)
