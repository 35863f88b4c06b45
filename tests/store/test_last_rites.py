"""The last rites: what the keeper tells Redis of a supervisor that is gone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from horus_supervisor import linux, logs, messages
from horus_supervisor.channel import Channel
from horus_supervisor.errors import HorusError
from horus_supervisor.keeper import charges, rites
from horus_supervisor.keeper.main import Keeper
from horus_supervisor.keeper.reach import Reach
from horus_supervisor.keeper.records import lost_record
from horus_supervisor.lifecycle import Cause, Death, JobState
from horus_supervisor.scoreboard import Scoreboard, SlotWriter
from horus_supervisor.store import operations, pending
from horus_supervisor.store.operation import Operation
from horus_supervisor.store.wire import Wire
from tests.support.files import refuse_looks
from tests.support.store import Store, claimed


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
    assert store.records() == []


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


def died(incarnation: int, executing: int = 0) -> messages.Died:
    """Tell of a runner that died, without a job if that says no other."""
    return messages.Died(
        slot=0,
        incarnation=incarnation,
        supervisor="sup",
        executing=executing,
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


def test_a_job_that_brought_a_runner_down_alarms_the_others_at_once(
    store: Store, keeper: Keeper, board: Scoreboard
) -> None:
    store.add("job")
    store.run(store.claim(store.member(0, 1)))
    keeper._hear(died(1, executing=1))
    keeper._deliver()
    assert SlotWriter(board, 1).alarms == 1


def test_a_spool_that_we_may_not_look_into_holds_up_neither_a_death_nor_a_stop(
    store: Store, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add("job")
    store.run(store.claim(store.member(0, 1)))
    keeper._hear(died(1, executing=1))
    refuse_looks(keeper.reach.spool, monkeypatch)
    keeper._deliver()
    assert store.state("job") == JobState.READY
    rites.closed(keeper.reach, (), keeper.charges)


def test_all_our_predecessors_are_closed(store: Store, keeper: Keeper) -> None:
    predecessors = ["old", "older"]
    for supervisor in predecessors:
        store.run(operations.register(store.namespace, supervisor, 30_000, b"{}"))
        pending.write_durably(rites.open_file(keeper.reach, supervisor), b"{}")
    (keeper.reach.spool / f"oldest.open{pending.SCRATCH}").touch()  # Redis never heard of it
    keeper._leftovers = ["oldest", *predecessors]
    keeper._settle()
    known = store.run(operations.supervisors(store.namespace))
    assert [row.supervisor for row in known] == ["sup"]
    assert [path.name for path in keeper.reach.spool.iterdir()] == ["sup.open"]


def test_a_stop_closes_what_an_earlier_keeper_registered(store: Store, keeper: Keeper) -> None:
    store.run(operations.register(store.namespace, "sup", 30_000, b"{}"))
    rites.mark_open(keeper.reach)
    rites.closed(keeper.reach, (), keeper.charges)
    assert store.run(operations.supervisors(store.namespace)) == []
    assert not list(keeper.reach.spool.iterdir())


def test_what_a_lost_predecessor_left_connected_is_closed(store: Store, keeper: Keeper) -> None:
    lost = store.namespace
    store.run(operations.register(lost, lost, 30_000, b"{}"))
    name = f"horus:{lost}:q/1"
    wire = Wire(keeper.reach.wire.address, name=name)
    wire.connect()
    rites.leftover(keeper.reach, lost)
    assert name not in [client["name"] for client in store.raw.client_list()]
    wire.close()


def test_who_does_not_lead_its_group_has_others_in_it_who_are_left_alone(
    keeper: Keeper, board: Scoreboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charges, "DEAD_WITHIN_S", 0)
    monkeypatch.setattr(linux, "kill_group", lambda _: pytest.fail("its shell's pipeline"))
    born = messages.Born(slot=0, incarnation=1, pid=os.getpid(), runner="q/1", group="q")
    keeper._hear(msgspec.structs.replace(born, own_group=False))
    board.clear(0, 1)
    keeper.charges.end(board)


def test_all_are_seen_dead_not_one_of_them_twice(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charges, "DEAD_WITHIN_S", 0.05)
    dead, alive = os.pipe(), os.pipe()
    os.close(dead[1])  # one reads its end
    keeper.charges._pidfds = {(0, 1): dead[0], (1, 1): alive[0]}
    began = time.monotonic()
    keeper.charges.end(keeper.reach.board)
    assert time.monotonic() - began >= 0.05
    for fd in (dead[0], *alive):
        os.close(fd)


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


@pytest.mark.parametrize("folder", [False, True])
def test_a_file_that_is_no_call_is_told_and_set_aside(
    keeper: Keeper, tmp_path: Path, folder: bool
) -> None:
    lines: list[bytes] = []
    keeper.reach.log = logs.bind(lines.append, {})
    (tmp_path / "spool").mkdir()
    call = tmp_path / "spool" / "sup.0.1.call"
    call.mkdir() if folder else call.write_bytes(b"cut sh")  # a folder can't be read
    rites.hand_in(keeper.reach, call)
    [told] = map(json.loads, lines)
    assert told["event"] == "spool.fault"
    assert "set aside as sup.0.1.unreadable" in told["message"]
    assert [path.name for path in (tmp_path / "spool").iterdir()] == ["sup.0.1.unreadable"]
