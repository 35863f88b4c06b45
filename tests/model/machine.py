"""Runners, supervisors, clients and operators in disorder, against the real scripts and the model.

Every call may lose its reply and be repeated, come late once more, or be still in the socket of a
runner that is dead. After each step Redis holds what the model says, and the promises hold that
need no model: see ``promises``.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from horus_supervisor.lifecycle import Death
from horus_supervisor.store import operations
from horus_supervisor.store.operation import Operation, Script
from horus_supervisor.store.rows import Slot
from tests.model import promises, seen
from tests.model.actors import ENDINGS, QUEUES, RECORD, Call, Runner
from tests.model.model import Model, Reply, plain

if TYPE_CHECKING:
    import redis

HOUR_MS = 3_600_000

numbers = st.integers(0, 99)  # which one: of those there are, counted round


@dataclass(frozen=True)
class World:
    """What a machine runs on: a driver, a plain client, and scripts in place of the real ones."""

    run: Callable[[Operation[Any]], Any]
    raw: redis.Redis
    scripts: Mapping[str, Script]


class Machine(RuleBasedStateMachine):
    """One namespace, two supervisors at a time, two slots each, two queues."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.namespace = uuid.uuid4().hex
        self.prefix = operations.prefix(self.namespace)
        self.model = Model()
        self.ledger = promises.Ledger()
        self.opened = 0
        self.supervisors: list[str] = []
        self.runners: list[Runner] = []
        self.enqueued: list[Call] = []
        self.sent: list[Call] = []
        self.in_sockets: list[Call] = []
        for _ in range(2):
            self.open_supervisor()

    def teardown(self) -> None:
        keys = self.world.raw.keys(self.prefix + "*")
        if keys:
            self.world.raw.delete(*keys)

    # --- saying things to both -----------------------------------------------------------------

    def say(self, call: Call) -> Reply:
        """Make a call; the reply must be the model's."""
        operation = getattr(operations, call.name)(self.namespace, *call.args, **call.options)
        script = self.world.scripts.get(operation.script.name, operation.script)
        reply = plain(self.world.run(operation._replace(script=script)))
        expected = getattr(self.model, call.name)(*call.args, **call.options)
        assert reply == expected, f"{call} answered {reply}, not {expected}"
        self.ledger.heard(call, reply)
        if call.final(reply):
            self.sent.append(call)
        return reply

    def say_twice(self, call: Call) -> Reply:
        """Make a call whose reply is lost, and repeat it."""
        first = self.say(call)
        before = self.look()
        again = self.say(call)
        assert call.same(first, again), f"{call} answered {first}, then {again}"
        assert self.look().keys == before.keys, f"the repeat of {call} changed something"
        return again

    def look(self) -> seen.Raw:
        return seen.read(self.world.raw, self.prefix)

    # --- clients and operators -----------------------------------------------------------------

    @rule(
        queue=st.sampled_from(QUEUES),
        max_attempts=st.sampled_from([1, 2, 3]),
        max_crashes=st.sampled_from([None, None, 1]),
        delay_ms=st.sampled_from([None, None, None, HOUR_MS]),
    )
    def enqueue(
        self, queue: str, max_attempts: int, max_crashes: int | None, delay_ms: int | None
    ) -> None:
        options = {
            "job_id": f"job{len(self.enqueued)}",
            "queue": queue,
            "name": "a.Job",
            "payload": b"[]",
            "max_attempts": max_attempts,
            "max_crashes": max_crashes,
            "delay_ms": delay_ms,
        }
        self.enqueued.append(Call("enqueue", (), options))
        assert self.say(self.enqueued[-1]) is True

    @precondition(lambda self: self.enqueued)
    @rule(which=numbers)
    def enqueue_the_same_id_again(self, which: int) -> None:
        call = _one(self.enqueued, which)
        if self.say(call):  # it was forgotten: a new job, and calls about the old one are past
            job_id = call.options["job_id"]
            self.sent = [call for call in self.sent if call.about != job_id]

    @precondition(lambda self: self.model.jobs)
    @rule(which=numbers)
    def retry(self, which: int) -> None:
        job_id = _one(sorted(self.model.jobs, key=self._rank("dead")), which % 3)
        self.say(Call("retry", (job_id, self.model.jobs[job_id].fence)))

    @precondition(lambda self: self.enqueued)
    @rule(which=numbers)
    def discard(self, which: int) -> None:
        job_id = _one(self.enqueued, which).options["job_id"]
        job = self.model.jobs.get(job_id)
        self.say(Call("discard", (job_id, job.fence if job else 0)))

    def _rank(self, first: str) -> Callable[[str], tuple[bool, str]]:
        return lambda job_id: (self.model.jobs[job_id].state != first, job_id)

    # --- time and keepers ----------------------------------------------------------------------

    @precondition(lambda self: "scheduled" in {job.state for job in self.model.jobs.values()})
    @rule(which=numbers, at=st.integers(1, 9), promote=st.booleans())
    def a_due_time_comes(self, which: int, at: int, promote: bool) -> None:
        waiting = [i for i, job in self.model.jobs.items() if job.state == "scheduled"]
        job_id = _one(waiting, which)
        job = self.model.jobs[job_id]
        job.due = True
        self._set_due(job_id, at)
        if promote:
            self.promote()

    def _set_due(self, job_id: str, score: float) -> None:
        key = f"{self.prefix}scheduled:{self.model.jobs[job_id].queue}"
        self.world.raw.zadd(key, {job_id: score}, xx=True)

    @rule()
    def promote(self) -> None:
        self.model.order = seen.scores(self.look())
        self.say(Call("promote", (1000,)))

    @rule()
    def kick(self) -> None:
        self.say(Call("kick"))
        self.ledger.kicked(runner for runner in self.runners if runner.alive)

    @rule(aged=st.booleans())
    def rotate(self, aged: bool) -> None:
        if aged:
            self.world.raw.set(self.prefix + "rotated", "1")
            self.model.rotation_due = True
        self.say(Call("rotate"))

    @rule(which=numbers)
    def beat(self, which: int) -> None:
        self.say(Call("beat", (_one(self.supervisors, which), b"{}")))

    # --- runners -------------------------------------------------------------------------------

    @rule(which=numbers, number=st.integers(0, 1))
    def start_runner(self, which: int, number: int) -> None:
        supervisor = _one(self.supervisors, which)
        lives = [r for r in self.runners if r.slot.key == Slot(supervisor, number, 0).key]
        if not any(runner.alive for runner in lives):
            incarnation = 1 + max((runner.slot.incarnation for runner in lives), default=0)
            queues = QUEUES[:1] if number else QUEUES
            self.runners.append(Runner(Slot(supervisor, number, incarnation), queues))

    @precondition(lambda self: self.living())
    @rule(
        which=numbers,
        ending=st.sampled_from(ENDINGS),
        more=st.sampled_from([True, True, True, False]),
        lost=st.sampled_from([False, False, True]),
        steps=st.sampled_from([1, 1, 2, 4]),
    )
    def a_runner_goes_on(self, which: int, ending: str, more: bool, lost: bool, steps: int) -> None:
        runner = _one(self.living(), which)
        for _ in range(steps):
            if not runner.alive:
                return
            if runner.phase == "claimed":
                self.ledger.started(runner, [r for r in self.living() if r is not runner])
            call = runner.next_call(ending, more=more)
            if call:
                runner.hear(self.say_twice(call) if lost else self.say(call))
                self._put_off_deferred(call)

    def _put_off_deferred(self, call: Call) -> None:
        """Let a second last an hour, so that no due time comes by itself."""
        if call.name == "fail" and call.args[2] == "deferred":
            for job_id, due in seen.scores(self.look()).items():
                if due > 10 and not self.model.jobs[job_id].due:
                    self._set_due(job_id, due + HOUR_MS)

    @precondition(lambda self: self.living("blocked"))
    @rule(which=numbers)
    def an_idle_runner_is_woken(self, which: int) -> None:
        runner = _one(self.living("blocked"), which)
        for queue in runner.queues:
            if self.world.raw.lpop(f"{self.prefix}wake:{queue}"):
                self.model.tokens.discard(queue)
                self.ledger.woken(runner, queue)
                runner.wake(queue)
                return

    @precondition(lambda self: self.living())
    @rule(which=numbers)
    def a_runner_is_asked_to_stop(self, which: int) -> None:
        _one(self.living(), which).stopping = True

    @precondition(lambda self: self.living())
    @rule(
        which=numbers,
        death=st.sampled_from([Death.CRASHED, Death.CRASHED, Death.KILLED, Death.INTERRUPTED]),
        last_call=st.sampled_from(["none", "in the socket", "reply lost"]),
        ending=st.sampled_from(ENDINGS),
        report=st.booleans(),
    )
    def a_runner_dies(
        self, which: int, death: Death, last_call: str, ending: str, report: bool
    ) -> None:
        runner = _one(self.living(), which)
        call = None if last_call == "none" else runner.next_call(ending, more=True)
        runner.die(death)
        if call and last_call == "in the socket":
            self.in_sockets.append(call)
        elif call:
            self.say(call)
            self._put_off_deferred(call)
        if report:
            self._report(runner)

    @precondition(lambda self: self.unreported())
    @rule(which=numbers, lost=st.booleans())
    def a_death_is_reported(self, which: int, lost: bool) -> None:
        self._report(_one(self.unreported(), which), lost=lost)

    def _report(self, runner: Runner, *, lost: bool = False) -> None:
        call = Call("crash", (runner.slot, runner.executing, runner.death, RECORD))
        reply = self.say_twice(call) if lost else self.say(call)
        runner.reported = reply[0] != "wait"

    @precondition(lambda self: self.in_sockets)
    @rule(which=numbers)
    def a_call_of_a_dead_runner_arrives(self, which: int) -> None:
        call = self.in_sockets.pop(which % len(self.in_sockets))
        self.say(call)
        self._put_off_deferred(call)

    @precondition(lambda self: self.sent)
    @rule(which=st.integers(0, 999), recent=st.booleans())
    def a_late_copy_arrives(self, which: int, recent: bool) -> None:
        call = _one(self.sent[-8:] if recent else self.sent, which)
        if call.about and not self.model.knows(call.about):
            return  # promised until `keep_finished` after the end only
        before = self.look()
        self.say(call)
        assert self.look().keys == before.keys, f"a late copy of {call} changed something"

    # --- supervisors ---------------------------------------------------------------------------

    def open_supervisor(self) -> None:
        self.opened += 1
        self.supervisors.append(f"sup{self.opened}")
        assert self.say(Call("register", (self.supervisors[-1], 30_000, b"{}"))) == "ok"

    @rule(
        which=st.integers(0, 1),
        ending=st.sampled_from(ENDINGS),
        last_calls=st.booleans(),
        known=st.booleans(),
        lost=st.booleans(),
    )
    def a_supervisor_dies(
        self, which: int, ending: str, last_calls: bool, known: bool, lost: bool
    ) -> None:
        """Its runners die with it; its keeper, or its successor here, hands in what they held."""
        supervisor = self.supervisors.pop(which)
        rows = []
        for runner in self.living(supervisor=supervisor):
            call = runner.next_call(ending, more=True) if last_calls else None
            if call:
                self.in_sockets.append(call)
            runner.die(Death.LOST)
            if runner.executing:
                rows.append((runner.slot.key, runner.executing, Death.LOST, RECORD))
        self._retire(supervisor, lost=lost, beat=None, readable=known, known=rows if known else ())

    @rule(which=st.integers(0, 1), late=st.booleans(), lost=st.booleans())
    def a_supervisor_seems_gone(self, which: int, late: bool, lost: bool) -> None:
        """A keeper elsewhere saw its heart stand still; its runners may go on for a while."""
        supervisor = self.supervisors[which]
        beat = self.model.supervisors[supervisor] - late
        if self._retire(supervisor, lost=lost, beat=beat, readable=False) == "ok":
            self.supervisors.remove(supervisor)
            for runner in self.living(supervisor=supervisor):
                runner.cut_off()

    def _retire(self, supervisor: str, *, lost: bool, **options: Any) -> Any:
        call = Call(
            "retire", (supervisor,), {"death": Death.LOST, "record": RECORD, "known": (), **options}
        )
        word = self.say(call)[0]
        if lost:
            assert self.say(call)[0] == ("gone" if word == "ok" else word)
        if word == "ok":
            for runner in self.runners:
                runner.reported |= runner.slot.supervisor == supervisor
            self.open_supervisor()
        return word

    # --- what must hold ------------------------------------------------------------------------

    def living(self, phase: str | None = None, supervisor: str | None = None) -> list[Runner]:
        return [
            runner
            for runner in self.runners
            if runner.alive
            and phase in (None, runner.phase)
            and supervisor in (None, runner.slot.supervisor)
        ]

    def unreported(self) -> list[Runner]:
        return [runner for runner in self.runners if runner.death and not runner.reported]

    @invariant()
    def redis_holds_what_the_model_says(self) -> None:
        now = self.look()
        promises.conservation(now)
        promises.one_place(now)
        promises.no_ready_job_waits_for_an_idle_runner(now, self.ledger)
        promises.one_record_for_a_death(now)
        differs = seen.difference(seen.in_redis(now), seen.in_model(self.model))
        assert not differs, f"in Redis, in the model: {differs}"


def _one(of: list[Any], which: int) -> Any:
    return of[which % len(of)]
