"""Runners, supervisors, clients and operators in disorder, against the real scripts and the model.

Every call may lose its reply and be repeated, come late once more, or be still in the socket of a
runner that is dead. After each step Redis holds what the model says, and the promises hold that
need no model: see ``promises``.
"""

from __future__ import annotations

import uuid
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from horus_supervisor.lifecycle import Death
from horus_supervisor.store import operations
from horus_supervisor.store.rows import Slot
from tests.model import promises, seen
from tests.model.actors import (
    ENDINGS,
    HOLD_AFTER,
    NAME,
    PHASES,
    QUEUES,
    RECORD,
    Call,
    Runner,
)
from tests.model.choices import HOUR_MS, OPTIONS, numbers
from tests.model.model import Model
from tests.model.words import Reply, plain
from tests.model.world import World

MOST_SUPERVISORS = 4  # in one run, else most of it would be about their ends


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
        before = self.model.states()
        expected = getattr(self.model, call.name)(*call.args, **call.options)
        promises.only_its_arrows(call.name, before, self.model.states())
        assert reply == expected, f"{call} answered {reply}, not {expected}"
        if call not in self.sent or reply is True:  # carried out: created, where an id came again
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
        found: seen.Raw = self.world.run(seen.read(self.prefix))
        return found

    # --- clients and operators -----------------------------------------------------------------

    @rule(queues=st.lists(st.sampled_from(QUEUES), min_size=2, max_size=4), chosen=OPTIONS)
    def jobs_are_enqueued(self, queues: list[str], chosen: dict[str, int | None]) -> None:
        for queue in queues:
            job = {"job_id": f"job{len(self.enqueued)}", "queue": queue}
            options = {**job, "name": NAME, "payload": b"[]", **chosen}
            self.enqueued.append(Call("enqueue", (), options))
            assert self.say(self.enqueued[-1]) is True

    @precondition(lambda self: self.enqueued)
    @rule(which=numbers, ended=st.booleans())
    def an_id_is_enqueued_again(self, which: int, ended: bool) -> None:
        past = [call for call in self.enqueued if call.about not in self.model.jobs]
        call = _one(past if ended and past else self.enqueued, which)
        if self.say(call):  # it was forgotten: a new job, and calls about the old one are past
            self.sent = [other for other in self.sent if other.about != call.about]

    @precondition(lambda self: self.enqueued)
    @rule(which=numbers, name=st.sampled_from(["retry", "retry", "discard"]))
    def an_operator_acts(self, which: int, name: str) -> None:
        of_it = [call.about for call in self.enqueued]
        if name == "retry":
            of_it = [i for i in of_it if self.model.state(i) in ("dead", "scheduled")] or of_it
        job_id = _one(of_it, which)
        job = self.model.jobs.get(job_id)
        fence = job.fence - (job.state == "running") if job else 0  # looked at before it started
        self.say(Call(name, (job_id, fence)))

    @rule(name=st.sampled_from(["calm", "calm", "unhold"]))
    def a_class_succeeds_or_is_let_go(self, name: str) -> None:
        self.say(Call(name, (NAME,)))

    @rule(queue=st.sampled_from(QUEUES), name=st.sampled_from(["pause", "resume", "purge"]))
    def an_operator_sees_to_a_queue(self, queue: str, name: str) -> None:
        now = self.look().now_ms + HOUR_MS
        self.say(Call(name, (queue, now, 1000) if name == "purge" else (queue,)))

    # --- time and keepers ----------------------------------------------------------------------

    @precondition(lambda self: self.waiting())
    @rule(which=numbers, at=st.integers(1, 9))
    def a_due_time_comes(self, which: int, at: int) -> None:
        job_id = _one(self.waiting(), which)
        self.model.jobs[job_id].due, self.model.jobs[job_id].parked = True, False
        self._set_due(job_id, at)
        self.a_keeper_does("promote")

    @precondition(lambda self: self.expiring())
    @rule(which=numbers)
    def an_expiry_comes(self, which: int) -> None:
        job_id = _one(self.expiring(), which)
        self.model.jobs[job_id].expired = True
        seen.expire(self.world.raw, self.prefix, job_id)

    def expiring(self) -> list[str]:
        return [i for i, job in self.model.jobs.items() if job.expires and not job.expired]

    def waiting(self) -> list[str]:
        return [i for i, job in self.model.jobs.items() if job.state == "scheduled"]

    def _set_due(self, job_id: str, score: float) -> None:
        seen.set_due(self.world.raw, self.prefix, self.model.jobs[job_id].queue, job_id, score)

    @rule(duty=st.sampled_from(["promote", "promote", "kick", "rotate", "rotate in time", "beat"]))
    def a_keeper_does(self, duty: str) -> None:
        match duty:
            case "promote":
                self.model.order = seen.scores(self.look())
                self.say(Call("promote", (1000,)))
            case "kick":
                self.say(Call("kick"))
                self.ledger.kicked(self.living())
            case "beat":
                self.say(Call("beat", (self.supervisors[0], b"{}")))
            case _:
                if duty == "rotate in time":
                    self.world.raw.set(self.prefix + "rotated", "1")
                    self.model.rotation_due = True
                self.say(Call("rotate"))

    # --- runners -------------------------------------------------------------------------------

    @rule()
    def successors_start(self) -> None:
        for supervisor in self.supervisors:
            for number in range(2):
                key = Slot(supervisor, number, 0).key
                lives = [runner for runner in self.runners if runner.slot.key == key]
                if not any(runner.alive for runner in lives):
                    slot = Slot(supervisor, number, 1 + len(lives))
                    self.runners.append(Runner(slot, QUEUES[:1] if number else QUEUES))

    @precondition(lambda self: self.living())
    @rule(which=numbers, ending=st.sampled_from(ENDINGS), steps=st.integers(1, 6))
    def a_runner_goes_on(self, which: int, ending: str, steps: int) -> None:
        runner = _one(self.living(), which)
        for _ in range(steps):
            self._step(runner, ending)

    @precondition(lambda self: self.living())
    @rule(
        which=numbers,
        ending=st.sampled_from(ENDINGS),
        more=st.booleans(),
        lost=st.booleans(),
        stop=st.sampled_from([False, False, False, True]),
    )
    def a_runner_takes_a_step(
        self, which: int, ending: str, more: bool, lost: bool, stop: bool
    ) -> None:
        runner = _one(self.living(), which)
        runner.stopping |= stop
        self._step(runner, ending, more=more, lost=lost)

    @rule(endings=st.lists(st.sampled_from(ENDINGS), min_size=1, max_size=4))
    def all_runners_go_on(self, endings: list[str]) -> None:
        for ending in endings:
            for runner in self.living():
                self._step(runner, ending)

    def _step(self, runner: Runner, ending: str, *, more: bool = True, lost: bool = False) -> None:
        if not runner.alive:
            return
        if runner.phase == "blocked" and not runner.zombie:
            self._take_token(runner)
            return
        if call := self._next_call(runner, ending, more=more):
            runner.hear(self.say_twice(call) if lost else self.say(call))
            self._put_off_deferred(call)

    def _next_call(self, runner: Runner, ending: str, *, more: bool = True) -> Call | None:
        call = runner.next_call(ending, more=more)
        if runner.begun:
            self.ledger.started(runner, [r for r in self.living() if r is not runner])
        return call

    def _take_token(self, runner: Runner) -> None:
        if queue := self.world.run(seen.take_token(self.prefix, runner.queues)):
            self.model.tokens.discard(queue)
            self.ledger.woken(runner, queue)
            runner.wake(queue)

    def _put_off_deferred(self, call: Call) -> None:
        """Let a second last an hour, so that no due time comes by itself."""
        if call.name == "fail" and call.args[2] == "deferred":
            for job_id, due in seen.scores(self.look()).items():
                if due > 10 and not self.model.jobs[job_id].due:
                    self._set_due(job_id, due + HOUR_MS)

    @precondition(lambda self: self.living())
    @rule(
        which=numbers,
        death=st.sampled_from([Death.CRASHED, Death.CRASHED, Death.KILLED, Death.INTERRUPTED]),
        last_call=st.sampled_from(["none", "in the socket", "reply lost", "on disk"]),
        ending=st.sampled_from(ENDINGS),
        phase=st.sampled_from([*PHASES, "executing", "executing"]),
        report=st.booleans(),
    )
    def a_runner_dies(
        self, which: int, death: Death, last_call: str, ending: str, phase: str, report: bool
    ) -> None:
        runner = _one(self.living(), which)
        self._reach(runner, phase)
        if not runner.alive:
            return
        call = None if last_call == "none" else self._next_call(runner, ending)
        runner.die(death)
        if call and last_call == "in the socket":
            self.in_sockets.append(call)
        elif call:
            self.say(call)
            self._put_off_deferred(call)
            if last_call == "on disk":  # Redis was away and a stop could not wait
                self.say(call.without_queues())
        if report:
            self._report(runner)

    def _reach(self, runner: Runner, phase: str) -> None:
        for _ in range(6):
            if runner.phase == phase or runner.sleeps(self.model.tokens):
                return
            self._step(runner, "failed now")

    @rule()
    def a_class_brings_down_its_runners(self) -> None:
        """One after the other in mid-job, with no success between, as a bad release does."""
        self.successors_start()
        for runner in self.living():
            self._reach(runner, "executing")
            if runner.phase == "executing":
                runner.die(Death.CRASHED)
                self._report(runner)

    @precondition(lambda self: self.unreported())
    @rule(which=numbers, lost=st.booleans())
    def a_death_is_reported(self, which: int, lost: bool) -> None:
        self._report(_one(self.unreported(), which), lost=lost)

    def _report(self, runner: Runner, *, lost: bool = False) -> None:
        options = {"hold_after": HOLD_AFTER, "code": "c1"}
        call = Call("crash", (runner.slot, runner.executing, runner.death, RECORD), options)
        reply = self.say_twice(call) if lost else self.say(call)
        runner.reported = reply[0] != "wait"

    @precondition(lambda self: self.in_sockets)
    @rule(which=numbers)
    def a_call_of_a_dead_runner_arrives(self, which: int) -> None:
        call = self.in_sockets.pop(which % len(self.in_sockets))
        self.say(call)
        self._put_off_deferred(call)

    @precondition(lambda self: self.sent)
    @rule(which=numbers)
    def late_copies_arrive(self, which: int) -> None:
        before = self.look()
        copies = [*self.sent[-9:], _one(self.sent, which)]
        copies = [c for c in copies if not c.about or self.model.knows(c.about)]  # while promised
        for call in copies:
            self.say(call)
        assert self.look().keys == before.keys, f"one of these copies changed something: {copies}"

    # --- supervisors ---------------------------------------------------------------------------

    def open_supervisor(self) -> None:
        self.opened += 1
        self.supervisors.append(f"sup{self.opened}")
        assert self.say(Call("register", (self.supervisors[-1], 30_000, b"{}"))) == "ok"
        self.successors_start()

    @precondition(lambda self: self.opened < MOST_SUPERVISORS)
    @rule(
        how=st.sampled_from(["stops", "dies", "dies unread", "seems gone", "seemed gone"]),
        ending=st.sampled_from(ENDINGS),
        last_calls=st.booleans(),
        lost=st.booleans(),
    )
    def a_supervisor_is_lost(self, how: str, ending: str, last_calls: bool, lost: bool) -> None:
        """It stopped, or died with its runners, or seemed to have died to a keeper elsewhere."""
        supervisor = self.supervisors[0]
        options: dict[str, Any] = {"death": Death.LOST, "record": RECORD, "beat": None, "known": ()}
        match how:
            case "stops":
                self._die_together(supervisor, ending, last_calls)
                self._report_all(supervisor)
                options["death"] = Death.INTERRUPTED
            case "dies":
                self._report_all(supervisor)
                options["known"] = self._die_together(supervisor, ending, last_calls)
            case "dies unread":
                self._die_together(supervisor, ending, last_calls)
            case _:
                late = how == "seemed gone"
                options["beat"] = self.model.supervisors[supervisor] - late
        call = Call("retire", (supervisor,), {**options, "readable": how in ("stops", "dies")})
        word = self.say(call)[0]
        if lost:
            assert self.say(call)[0] == ("gone" if word == "ok" else word)
        if word == "ok":
            self._after_retire(supervisor)

    def _report_all(self, supervisor: str) -> None:
        """Hand in the deaths that a keeper still had, an earlier one in a slot first."""
        for runner in self.unreported():
            if runner.slot.supervisor == supervisor:
                self._report(runner)

    def _die_together(self, supervisor: str, ending: str, last_calls: bool) -> tuple[Any, ...]:
        rows = []
        for runner in self.living():
            if runner.slot.supervisor == supervisor:
                if last_calls and (call := self._next_call(runner, ending)):
                    self.in_sockets.append(call)
                runner.die(Death.INTERRUPTED)
                if runner.executing:
                    rows.append((runner.slot.key, runner.executing, Death.LOST, RECORD))
        return tuple(rows)

    def _after_retire(self, supervisor: str) -> None:
        self.supervisors.remove(supervisor)
        for runner in self.runners:
            if runner.slot.supervisor == supervisor:
                runner.zombie = runner.reported = True
        self.open_supervisor()

    # --- what must hold ------------------------------------------------------------------------

    def living(self) -> list[Runner]:
        return [runner for runner in self.runners if runner.alive]

    def unreported(self) -> list[Runner]:
        return [runner for runner in self.runners if runner.death and not runner.reported]

    @invariant()
    def redis_holds_what_the_model_says(self) -> None:
        now = seen.in_redis(self.look())
        promises.conservation(now)
        promises.one_place(now)
        promises.no_ready_job_waits_for_an_idle_runner(now, self.ledger)
        promises.keepers_look_wherever_work_is(now)
        promises.one_record_for_a_death(now)
        differs = seen.difference(now, seen.in_model(self.model))
        assert not differs, f"in Redis, in the model: {differs}"


def _one(of: list[Any], which: int) -> Any:
    return of[which % len(of)]
