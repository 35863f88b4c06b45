"""Runners that were asked for: told late, told by a dead template, or never told."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from horus_supervisor import linux, logs, messages
from horus_supervisor.scoreboard import NOBODY_KNOWS, Phase, Scoreboard, SlotWriter
from horus_supervisor.supervisor import children
from horus_supervisor.supervisor.births import Births
from horus_supervisor.supervisor.crew import Crew
from horus_supervisor.supervisor.deaths import Deaths
from horus_supervisor.supervisor.inbox import HEARD, Inbox
from horus_supervisor.supervisor.outlet import BUFFER_BYTES, Outlet
from horus_supervisor.supervisor.plan import Action, Do
from horus_supervisor.supervisor.program import Ways
from horus_supervisor.supervisor.programs import Programs, Template
from horus_supervisor.supervisor.seat import Seat
from tests.support.waiting import wait_until
from tests.unit.test_plan import GROUP
from tests.unit.test_programs import BOOT

ME = messages.Identity(service="s", host="h", supervisor="a", level="info")


class House:
    """A crew with one seat, and a template that only takes requests."""

    def __init__(self, null: int) -> None:
        self.asked: list[messages.Spawn] = []
        self.held: list[int] = []
        self.room = True
        self.buried: list[int] = []
        self.board = Scoreboard(linux.memory_file("horus-test-board"))
        inbox, outlet = Inbox(), Outlet(null)
        self.lines: list[bytes] = []
        log = logs.bind(self.lines.append, {})
        self.ways = Ways(inbox, outlet, log, log)
        self.crew = Crew(self.board, self.ways, self._request)
        self.programs = Programs(self.ways)
        self.deaths = Deaths(self.crew, self.programs)
        self.births = Births(self.crew, self.deaths, self.programs, self._bury)
        self.template = Template(ways=self.ways, generation=1, boot=BOOT)
        self.crew.seat({"q/1": GROUP}, 1)

    def _request(self, generation: int, spec: messages.Spawn, fds: list[int]) -> Template | None:
        assert generation == 1
        if self.room:
            self.asked.append(spec)
            self.held = [os.dup(fd) for fd in fds]
        return self.template if self.room else None

    def _bury(self, seat: Seat, pid: int, reaped: children.Reaped) -> None:
        assert reaped.pid == pid
        self.buried.append(pid)
        self.crew.bury(seat)

    @property
    def seat(self) -> Seat:
        return self.crew.seats["q/1"]

    def ask(self, now: float = 10.0) -> None:
        self.crew.apply(Action(Do.SPAWN, "q/1"), now, ME)

    def told(self, pid: int, incarnation: int = 1) -> messages.Spawned:
        return messages.Spawned(slot=self.seat.slot, incarnation=incarnation, pid=pid)

    def write_pid(self, pid: int) -> None:
        """What a runner writes into its row first."""
        SlotWriter(self.board, self.seat.slot).born(pid)

    def told_lines(self, event: str) -> list[dict[str, Any]]:
        """The log's lines of an event."""
        return [told for told in map(json.loads, self.lines) if told["event"] == event]

    def let_go(self) -> None:
        """Close the ends that the template, or the runner, holds."""
        while self.held:
            os.close(self.held.pop())


@pytest.fixture
def house() -> Iterator[House]:
    before = {number: signal.getsignal(number) for number in HEARD}
    with open(os.devnull, "wb") as null:
        house = House(null.fileno())
        house.ask()
        yield house
        if house.seat.life:
            house.crew.bury(house.seat)
        house.let_go()
        house.ways.outlet.close()
        os.close(house.board.fd)
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def runner() -> Iterator[int]:
    pid = os.posix_spawnp("sleep", ["sleep", "60"], os.environ, setpgroup=0)
    yield pid
    if children.is_ours(pid):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: children.killed(pid), "it ended")


def test_a_runner_that_is_told_of_is_known_by_its_pid(house: House, runner: int) -> None:
    house.births.hear(house.told(runner))
    assert house.crew.by_pid == {runner: house.seat}
    assert [type(said) for said in house.deaths.all_again()] == [messages.Born]


def test_a_runner_that_died_before_it_was_told_of_is_buried_when_it_is(
    house: House, runner: int
) -> None:
    end(runner)
    house.births.reap(runner)
    house.births.hear(house.told(runner))
    assert (house.buried, house.crew.by_pid) == ([runner], {})


def test_the_group_of_one_that_was_never_told_of_is_killed_while_its_pid_is_its_own(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, writing, 1)]
    script = "sleep 600 & echo; exec sleep 601"
    leader = os.posix_spawnp(
        "sh", ["sh", "-c", script], os.environ, file_actions=actions, setpgroup=0
    )
    os.close(writing)
    with open(reading, "rb") as held:
        assert held.readline() == b"\n"
        house.write_pid(leader)
        end(leader)
        house.births.reap(leader)
        os.set_blocking(reading, False)
        wait_until(lambda: held.read() == b"", "whoever holds the pipe is gone")
    monkeypatch.setattr(linux, "kill_group", lambda _: pytest.fail("a stranger's group"))
    assert house.crew.born(house.seat.slot, 1, leader)
    house.deaths.of_runner(house.seat, leader, house.births._strangers[leader])


def test_an_orphan_that_was_reaped_long_ago_is_no_runner(house: House, runner: int) -> None:
    end(runner)
    house.births.reap(runner)
    house.births.hear(house.told(4_000_000))
    house.births.look()
    house.crew.bury(house.seat)
    house.ask()
    house.births.hear(house.told(runner, 2))
    assert house.buried == []


def test_a_runner_that_nobody_waits_for_is_killed(house: House, runner: int) -> None:
    house.births.hear(house.told(runner, incarnation=7))
    assert os.WTERMSIG(children.reap(runner).status) == signal.SIGKILL


def test_a_stranger_with_the_pid_that_was_told_is_left_alone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> bool:
        raise AssertionError("a stranger is signalled")

    monkeypatch.setattr(children, "send_signal", refuse)
    monkeypatch.setattr(linux, "kill_group", refuse)
    house.births.hear(house.told(os.getppid(), incarnation=7))


def test_a_pid_that_is_none_of_our_children_is_no_runner(house: House, runner: int) -> None:
    """An import may have called ``unshare``: to its template, runners are processes 2 and 3."""
    told = house.births.checked(house.told(os.getppid()))
    assert isinstance(told, messages.SpawnFailed)
    assert "is no child of the supervisor" in told.error
    assert house.births.checked(house.told(runner)) == house.told(runner)
    end(runner)
    house.births.reap(runner)
    assert house.births.checked(house.told(runner)) == house.told(runner), "it came, and died"


def test_a_runner_whose_template_died_before_it_told_is_found_by_its_row(
    house: House, runner: int
) -> None:
    house.births.template_ended(house.template, 20.0)
    house.births.look()
    assert house.crew.by_pid == {}
    house.write_pid(runner)
    house.births.look()
    assert house.crew.by_pid == {runner: house.seat}


def test_another_templates_end_leaves_its_runners_to_it(house: House, runner: int) -> None:
    house.births.template_ended(Template(ways=house.ways, generation=2, boot=BOOT), 20.0)
    house.write_pid(runner)
    house.births.look()
    assert house.crew.by_pid == {}


def test_one_that_died_meanwhile_is_buried(house: House, runner: int) -> None:
    house.births.template_ended(house.template, 20.0)
    house.write_pid(runner)
    end(runner)
    house.births.reap(runner)
    house.let_go()
    house.births.look()
    assert house.buried == [runner]


@pytest.mark.parametrize("written", [0, 1, -5, 1 << 60])
def test_no_runner_came_of_it_once_nobody_holds_its_pipe(house: House, written: int) -> None:
    house.births.template_ended(house.template, 20.0)
    house.write_pid(written)
    house.births.look()
    assert house.seat.life
    house.let_go()
    house.births.look()
    assert house.seat.life is None


def test_a_pid_of_one_that_is_known_already_is_not_believed(house: House, runner: int) -> None:
    house.programs.keeper.pid = runner
    house.births.template_ended(house.template, 20.0)
    house.write_pid(runner)
    house.births.look()
    assert house.crew.by_pid == {}
    house.programs.keeper.pid = None


def test_redis_hears_of_one_that_was_given_up(house: House) -> None:
    house.births.template_ended(house.template, 20.0)
    house.births.overdue(house.seat, 50.0)
    assert house.seat.life is None
    [died] = house.deaths.all_again()
    assert isinstance(died, messages.Died)
    assert (died.incarnation, died.death, died.executing) == (1, "interrupted", 0)


@pytest.mark.parametrize("word", [1, 3], ids=["incarnation", "phase"])
def test_nobody_knows_what_began_where_a_job_wrote_over_its_row(
    house: House, runner: int, word: int
) -> None:
    house.births.template_ended(house.template, 20.0)
    house.write_pid(runner)
    house.births.look()
    SlotWriter(house.board, house.seat.slot)._words[word] = 77
    house.deaths.of_runner(house.seat, runner, None)
    [died] = house.deaths.all_again()
    assert isinstance(died, messages.Died)
    assert died.executing == NOBODY_KNOWS


@pytest.mark.parametrize(
    ("status", "done", "executing", "free"),
    [
        (messages.LEFT_UNHEARD, 0, 0, True),
        (messages.LEFT_STALE, 0, NOBODY_KNOWS, False),
        (messages.LEFT_STALE, 1, NOBODY_KNOWS, True),
    ],
)
def test_who_left_with_something_to_tell_is_no_crash_and_costs_credit_where_it_did_no_work(
    house: House, status: int, done: int, executing: int, free: bool
) -> None:
    pid = os.posix_spawnp("sh", ["sh", "-c", f"exit {status}"], os.environ, setpgroup=0)
    house.births.hear(house.told(pid))
    assert house.seat.life
    house.seat.life.asked_ns = time.monotonic_ns() + 10**12  # it is young, however busy we are
    row = SlotWriter(house.board, house.seat.slot)
    row.finishing(done)
    row.phase(Phase.LEFT, 1)
    wait_until(lambda: children.has_ended(pid), "its end")
    assert house.deaths.of_runner(house.seat, pid, None) == free
    [died] = house.deaths.all_again()
    assert isinstance(died, messages.Died)
    assert (died.executing, died.death) == (executing, "interrupted")
    assert house.told_lines("runner.crashed") == []
    assert len(house.told_lines("runner.exited")) == 1


def test_a_template_that_falls_silent_is_ended_not_the_seat(house: House, runner: int) -> None:
    house.template.pid = runner
    house.births.overdue(house.seat, 50.0)
    assert house.seat.life
    assert os.WTERMSIG(children.reap(runner).status) == signal.SIGKILL
    house.template.pid = None


def test_a_fork_that_failed_may_have_left_a_runner_all_the_same(house: House, runner: int) -> None:
    failed = messages.SpawnFailed(slot=house.seat.slot, incarnation=1, error="late")
    assert house.births.failed(failed, 20.0) is house.seat
    house.write_pid(runner)
    house.births.look()
    assert house.crew.by_pid == {runner: house.seat}


def test_one_that_was_asked_to_leave_before_it_was_told_of_is_woken(
    house: House, runner: int
) -> None:
    house.crew.apply(Action(Do.DRAIN, "q/1"), 11.0, ME)
    house.births.hear(house.told(runner))
    assert os.WTERMSIG(children.reap(runner).status) == linux.WAKE_SIGNAL


def test_a_template_that_works_through_others_is_not_silent(house: House) -> None:
    house.crew.template_answered(house.template, 30.0)
    [seen] = house.crew.seen(30.0)
    assert seen.awaited_since == 30.0
    house.births.template_ended(house.template, 40.0)
    house.crew.template_answered(house.template, 50.0)  # another process of it: of others
    [seen] = house.crew.seen(50.0)
    assert seen.awaited_since == 40.0


def test_a_runner_is_of_the_code_that_it_was_forked_with(house: House, runner: int) -> None:
    house.crew.bury(house.seat)
    house.template.code = "old"
    house.ask(11.0)
    assert house.crew.code() == "", "none lives"
    house.births.hear(house.told(runner, incarnation=2))
    house.template.code = "new"  # its successor read the files anew
    assert house.crew.code() == "old"
    house.crew.bury(house.seat)
    house.ask(12.0)
    assert house.seat.life
    assert house.seat.life.code == "new"


@pytest.mark.parametrize(("away", "full"), [(False, 0), (True, 0), (False, BUFFER_BYTES)])
def test_a_runner_that_an_outage_or_a_full_log_holds_up_is_not_silent(
    house: House, runner: int, away: bool, full: int
) -> None:
    house.births.hear(house.told(runner))
    SlotWriter(house.board, house.seat.slot).phase(Phase.FINISHING, 1)
    house.board.redis_away(away)
    house.ways.outlet.put(b"\n" * full)
    looks = [house.crew.seen(float(now)) for now in range(30)]
    assert looks[-1][0].silent_s == (0 if away or full else 29)


def test_the_stack_of_one_that_went_on_is_forgotten(house: House, runner: int) -> None:
    house.births.hear(house.told(runner))
    row = SlotWriter(house.board, house.seat.slot)
    row.phase(Phase.IDLE, 1)
    life = house.seat.life
    assert life
    for now in (10.0, 11.0):
        house.crew.seen(now)
    life.dumped_at = 11.0
    os.write(life.stacks_fd, b"where it was")
    [seen] = house.crew.seen(12.0)
    assert (seen.silent_s, seen.dumped_at, seen.stack_left) == (2.0, 11.0, True)
    row.beat()
    [seen] = house.crew.seen(13.0)
    assert (seen.silent_s, seen.dumped_at) == (0.0, None)
    assert house.crew.last_words(life) == ""


def test_pipes_at_their_end_keep_the_loop_awake_no_longer(house: House) -> None:
    house.let_go()
    for handle in house.ways.inbox.wait(5.0):
        handle()
    assert house.ways.inbox.wait(0.0) == []
    assert house.seat.life, "its writer may live on"
