"""The last rites: what the keeper tells Redis of a supervisor that is gone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from horus_supervisor import linux, logs, messages
from horus_supervisor.channel import Channel
from horus_supervisor.errors import HorusError
from horus_supervisor.keeper import rites
from horus_supervisor.keeper.main import Keeper
from horus_supervisor.keeper.reach import Reach
from horus_supervisor.keeper.records import lost_record
from horus_supervisor.lifecycle import Cause, Death, JobState
from horus_supervisor.scoreboard import Scoreboard, SlotWriter
from horus_supervisor.store.operation import Operation
from tests.support.store import Store, claimed


@pytest.fixture
def board() -> Iterator[Scoreboard]:
    fd = linux.memory_file("horus-test-board")
    yield Scoreboard(fd)
    os.close(fd)


@pytest.fixture
def keeper(redis_url: str, namespace: str, tmp_path: Path, board: Scoreboard) -> Iterator[Keeper]:
    me = messages.Identity(service="s", host="h", supervisor="sup", level="info")
    boot = messages.KeeperBoot(
        redis_url=redis_url,
        namespace=namespace,
        identity=me,
        lease_s=30,
        spool=str(tmp_path / "spool"),
        facts={},
        leftovers=[],
    )
    ours, theirs = socket.socketpair()
    with ours, theirs:
        channel = Channel(ours, messages.to_keeper)
        keeper = Keeper(Reach(boot, channel, board, logs.bind(lambda _: None, {})))
        yield keeper
        keeper.reach.wire.close()


def test_a_job_that_was_being_handed_in_by_a_runner_not_told_of_counts_as_started(
    store: Store, keeper: Keeper, board: Scoreboard
) -> None:
    store.add("job", max_attempts=1)
    slot = store.member(0, 1)
    job = claimed(store.run(store.claim(slot)))
    board.clear(0, 1)
    row = SlotWriter(board, 0)
    row.executing(1, 1, 1, 0, 0, job.started_ms, b"job\0shop.Mail\0emails")
    row.finishing(1)
    rites.supervisor_lost(keeper.reach, (), keeper.charges)
    assert store.state("job") == JobState.DEAD


@pytest.mark.parametrize(("begun", "state"), [(1, JobState.DEAD), (0, JobState.READY)])
def test_what_a_runner_holds_that_ends_without_a_word_counts_as_its_row_says(
    store: Store, keeper: Keeper, board: Scoreboard, begun: int, state: JobState
) -> None:
    store.add("job", max_attempts=1)
    job = claimed(store.run(store.claim(store.member(0, 1))))
    board.clear(0, 1)
    if begun:
        row = (begun, 1, 1, 0, 0, job.started_ms, b"job\0shop.Mail\0emails")
        SlotWriter(board, 0).executing(*row)
    keeper._hear(messages.Born(slot=0, incarnation=1, pid=os.getpid(), runner="work/1", group="w"))
    keeper._hear(messages.Close())  # ``start_runner`` was left by an exception
    keeper.reach.registered = True
    keeper.run()
    assert store.state("job") == state


def test_a_connection_that_broke_unnoticed_keeps_no_job(store: Store, keeper: Keeper) -> None:
    store.add("job")
    store.run(store.claim(store.member(0, 1)))
    keeper.reach.wire.connect()
    [ours] = [c for c in store.raw.client_list() if c["name"] == "horus:sup:keeper"]
    store.raw.client_kill_filter(_id=ours["id"])
    rites.supervisor_lost(keeper.reach, (), keeper.charges)
    assert store.state("job") == JobState.READY
    assert not list(keeper.reach.spool.iterdir())


def test_a_job_of_a_runner_whose_death_was_told_too_late_counts_as_started(
    store: Store, keeper: Keeper, board: Scoreboard
) -> None:
    store.add("job", max_attempts=1)
    claimed(store.run(store.claim(store.member(0, 1))))
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:  # has its pid now
        keeper._hear(
            messages.Born(slot=0, incarnation=1, pid=stranger.pid, runner="q/1", group="q")
        )
        board.clear(0, 2)  # for its successor
        rites.supervisor_lost(keeper.reach, (), keeper.charges)
        assert stranger.poll() is None
        stranger.kill()
    assert store.state("job") == JobState.DEAD
    [record] = store.records()
    assert record["runner"] == "q/1"


def died(incarnation: int) -> messages.Died:
    """Tell of a runner that died without a job."""
    return messages.Died(
        slot=0,
        incarnation=incarnation,
        supervisor="sup",
        executing=0,
        death=Death.CRASHED,
        record=msgspec.Raw(lost_record(Cause.EXIT, "h", "sup")),
    )


def test_a_death_is_kept_though_redis_goes_away_while_it_tells_of_an_earlier_one(
    store: Store, keeper: Keeper
) -> None:
    def ask(operation: Operation[Any]) -> Any:
        reply = keeper.reach.wire.run(operation)
        store.raw.client_kill_filter(_id=ours["id"])
        return reply

    store.add("job", max_attempts=1)
    store.run(store.claim(store.member(0, 1)))
    keeper.reach.wire.connect()
    [ours] = [c for c in store.raw.client_list() if c["name"] == "horus:sup:keeper"]
    keeper._hear(died(2))  # of the first Redis had the end, and has lost it
    keeper.reach.ask = keeper._ask = ask  # type: ignore[method-assign]
    with pytest.raises(HorusError):
        keeper._deliver()
    del keeper.reach.ask
    keeper._deliver()
    assert store.state("job") == JobState.DEAD
    assert len(store.records()) == 1


def test_a_job_whose_end_redis_has_lost_counts_as_started_though_the_service_stops(
    store: Store, keeper: Keeper
) -> None:
    store.add("job", max_attempts=1)
    store.run(store.claim(store.member(0, 1)))
    rites.closed(keeper.reach, [died(2)], keeper.charges)
    assert store.state("job") == JobState.DEAD


def test_a_death_that_is_told_says_that_its_runner_is_gone(keeper: Keeper) -> None:
    keeper._hear(messages.Born(slot=0, incarnation=1, pid=os.getpid(), runner="q/1", group="q"))
    keeper._hear(
        messages.Died(
            slot=0,
            incarnation=1,
            supervisor="sup",
            executing=1,
            death=Death.CRASHED,
            record=msgspec.Raw(b"{}"),
        )
    )
    assert (keeper.charges._born, keeper.charges._pidfds) == ({}, {})


def test_a_file_that_is_no_call_is_told_and_set_aside(keeper: Keeper, tmp_path: Path) -> None:
    lines: list[bytes] = []
    keeper.reach.log = logs.bind(lines.append, {})
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "sup.0.1.call").write_bytes(b"cut sh")
    rites.hand_in(keeper.reach, tmp_path / "spool" / "sup.0.1.call")
    [told] = map(json.loads, lines)
    assert told["event"] == "spool.fault"
    assert "set aside as sup.0.1.unreadable" in told["message"]
    assert [path.name for path in (tmp_path / "spool").iterdir()] == ["sup.0.1.unreadable"]
