"""The runner: claim, note in the slot, execute, finish and claim the next, one job after another.

Single-threaded; leads its own process group; does not survive its supervisor. It holds at most
one job, and every call of its carries the next ``seq``: after a call whose outcome is unknown, that
very call is made again, which Redis answers as it did the first time.
"""

from __future__ import annotations

import functools
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from horus_supervisor import errors
from horus_supervisor.events import Event
from horus_supervisor.job import current, definition
from horus_supervisor.messages import Spawn
from horus_supervisor.runner import about, leaving, printing, turns
from horus_supervisor.runner.ears import Ears
from horus_supervisor.runner.endings import Ending, Endings
from horus_supervisor.runner.execute import Guard, Run, end_child, guarded
from horus_supervisor.runner.household import Household, tell_bereft
from horus_supervisor.runner.leaving import Left
from horus_supervisor.runner.outage import CUT_OFF, Outage
from horus_supervisor.runner.span import Span
from horus_supervisor.runner.tell import Teller
from horus_supervisor.runner.voice import Voice
from horus_supervisor.scoreboard import Control, Phase, SlotWriter
from horus_supervisor.store import operations, pending
from horus_supervisor.store.operation import Operation
from horus_supervisor.store.rows import Claimed, Packed, Slot, Stale, Turn, Turned
from horus_supervisor.store.wire import Wire

JOINS_WITHIN_S = 5.0
"""Longest wait for a predecessor's death to be recorded: Redis may have lost its end."""

SLEPT_S = 1.0
"""A wait for work that lasted so long was granted: a refusal comes at once."""


class Runner:
    """One runner: its wire, its slot, its place in the protocol."""

    def __init__(
        self,
        spec: Spawn,
        namespace: str,
        wire: Wire,
        slot: SlotWriter,
        voice: Voice,
        *,
        spool: Path,
        max_payload_bytes: int,
        stacks_fd: int | None = None,
        until_empty: bool = False,
        own_timer: bool = False,
    ) -> None:
        self._namespace = namespace
        self._wire = wire
        self._slot = slot
        self._voice = voice
        self.guard = Guard(slot)
        self._tell = Teller(voice, self.guard.held_off)
        self._spool = spool
        self._max_payload = max_payload_bytes
        self._stacks_fd = stacks_fd
        self._until_empty = until_empty
        self._alone = stacks_fd is None  # no supervisor starts a successor, or ends what waits
        self._own_timer = own_timer  # nor watches the deadline, so this process does
        self._me = Slot(spec.identity.supervisor, spec.slot, spec.incarnation)
        self._pid = os.getpid()
        self._seq = 0
        self.jobs_done = 0
        self.put_out = ""  # what Redis did, where it ended by that alone
        group = spec.group
        self._group_timeout_s = group.job_timeout_s
        weights = dict(zip(group.queues, group.weights, strict=True))
        self._orders = turns.orders(weights, strict=group.order == "strict")
        self._order = next(self._orders)
        delay_ms = int(group.crash_delay_s * 1000)
        self._limits = {"max_crashes": group.max_crashes, "crash_delay_ms": delay_ms}
        self._endings = Endings(namespace, self._me, spec, self._limits, self._tell)
        self._span = Span(group.max_jobs, group.max_memory)
        self._recycle: str | None = None
        self._asked = self._told_unkept = False
        self._away, self._sleepless = Outage(voice, slot), Outage(voice, slot)
        self._ears = Ears()

    # --- the loop ------------------------------------------------------------------------------

    def run(self) -> int:
        """Claim, execute, hand in, until told to leave; tell the exit status."""
        self._household = Household(self._stacks_fd)
        try:
            self._join()
            turn = self._ask(self._claim(() if self._leaving() else self._order, woken=False))
            while isinstance(turn, Turned):
                if turn.expired:
                    self._tell.expired(turn.expired)
                if turn.claimed:
                    turn = self._work(turn.claimed)
                elif self._leaving() or (self._until_empty and not turn.more):
                    self._release()
                elif turn.more:
                    turn = self._ask(self._claim(self._order, woken=True))
                else:
                    turn = self._sleep()
            raise Left(turn.word)
        except Left as left:
            self._slot.phase(Phase.LEFT, time.monotonic_ns())
            self.put_out = "" if self._leaving() else left.closed
            reason = None if self._leaving() else self._recycle
            return leaving.tell(left, self._voice, reason, self.jobs_done)

    def _join(self) -> None:
        wait_s, waited_s = 0.002, 0.0
        while (joined := self._ask(operations.join(self._namespace, self._me))).word != "ok":
            if joined.word != "wait":
                raise Left(joined.word)
            if self._ears.hear(wait_s) and self._leaving():
                raise Left
            if (waited_s := waited_s + wait_s) > JOINS_WITHIN_S:
                raise Left(unheard=True)  # the keeper finds out whom Redis takes to be here
            wait_s = min(wait_s * 1.5, 0.25)
        self._alarms, self._held = -1 if joined.crashing else self._slot.alarms, joined.held
        self._slot.phase(Phase.IDLE, time.monotonic_ns())

    def _work(self, claimed: Claimed) -> Turn:
        if self._leaving():
            self._release()
        if not self.jobs_done:
            self._household.note()
        ending, meanwhile = self._attempt(claimed)
        if ending is None:
            self._household.restore()
            self._release(claimed)
        return self._hand_in(claimed, ending, meanwhile)

    def _hand_in(
        self, claimed: Claimed, ending: Ending, meanwhile: Callable[[], None] | None
    ) -> Turn:
        self._seq += 1
        stopping = self._leaving() or self._recycle is not None
        queues = () if stopping else next(self._orders)
        turn: Turn = self._ask(ending(self._seq, queues), ending, meanwhile)
        if isinstance(turn, Stale):
            self._tell.stale(claimed)
            self._voice.flush()
            return turn
        if turn.done != "done":
            self._tell_fate(claimed, turn.done)
        elif self._slot.alarms != self._alarms:
            self._calm(claimed)
        self._voice.flush()
        if self._recycle:
            self._release()  # what was claimed meanwhile is for another runner
        if not turn.claimed:
            self._slot.phase(Phase.IDLE, time.monotonic_ns())
        return turn

    def _tell_fate(self, claimed: Claimed, done: str) -> None:
        if done == "free":  # its class is not held any more, which we did not know
            self._held = frozenset()
        elif done != "parked":
            self._tell.fate(claimed, done)

    def _calm(self, claimed: Claimed) -> None:
        self._alarms = self._slot.alarms
        joined = self._ask(operations.join(self._namespace, self._me))
        self._held = joined.held
        if claimed.job and claimed.job.name in joined.crashing:
            self._ask(operations.calm(self._namespace, claimed.job.name))

    def _tidy(self) -> None:
        """What is done for the next job while Redis works on the last one."""
        self._recycle = self._household.restore() or self._recycle

    # --- one job -------------------------------------------------------------------------------

    def _attempt(self, claimed: Claimed) -> tuple[Ending | None, Callable[[], None] | None]:
        """Run the job; tell how it ends (None: a stop interrupted it), and what to do meanwhile."""
        packed = claimed.job
        if packed is None:
            return self._endings.refused("the job's record can't be read"), None
        job_class = definition.find(packed.name)
        if job_class is None:
            return self._endings.deferred(packed.name), None
        if packed.name in self._held:
            return self._endings.held(), None
        timeout_s = (
            packed.timeout_ms / 1000 or job_class.__horus__.timeout_s or self._group_timeout_s
        )
        began_ns = time.monotonic_ns()
        self.guard.timeout_s = timeout_s or 0.0
        self._tell.started(claimed, packed, job_class)
        self._note_start(claimed, packed, began_ns, timeout_s)
        run = guarded(job_class, packed.payload, self._max_payload, self.guard)
        if os.getpid() != self._pid:
            end_child(run.error)
        duration_s = (time.monotonic_ns() - began_ns) / 1e9
        ending = self._ending(claimed, run, timeout_s)
        self.jobs_done += 1
        self._slot.finishing(self.jobs_done)
        current.set_current(None)
        self._recycle = self._span.over(self.jobs_done, duration_s)
        if run.error is None:
            return ending, lambda: self._succeeded(claimed, packed, duration_s)
        return ending, None if ending is None else self._failed

    def _ending(self, claimed: Claimed, run: Run, timeout_s: float | None) -> Ending | None:
        """Tell how a job ends; still under its deadline, as that may ask the job's code."""
        if run.error is None:
            return self._endings.succeeded
        if self.guard.interrupted:
            return None
        return self._endings.raised(claimed, run, timeout_s)

    def _note_start(
        self, claimed: Claimed, packed: Packed, began_ns: int, timeout_s: float | None
    ) -> None:
        attempt, fence = packed.attempts + 1, packed.fence + 1
        ask = (claimed, self._tell, self._leaving)
        current.set_current(functools.partial(about.current_job, *ask))
        job = f"{claimed.job_id}\0{packed.name}\0{claimed.queue}".encode()
        printing.expect(job, attempt)
        self._slot.executing(
            self._seq,
            attempt,
            fence,
            began_ns,
            began_ns + int(timeout_s * 1e9) if timeout_s else 0,
            claimed.started_ms,
            job,
        )
        if self._own_timer and timeout_s:
            signal.setitimer(signal.ITIMER_REAL, timeout_s, 0.25)

    def _succeeded(self, claimed: Claimed, packed: Packed, duration_s: float) -> None:
        self._tell.succeeded(claimed, packed, duration_s)
        self._tidy()

    def _failed(self) -> None:
        self._tidy()
        self._recycle = self._household.spent() or self._recycle

    # --- leaving -------------------------------------------------------------------------------

    def _leaving(self) -> bool:
        return self._asked or self._slot.wanted != Control.RUN

    def ask_to_leave(self, *_: object) -> None:
        """Leave after the current job (SIGTERM)."""
        self._asked = True
        self._ears.wake()

    def close(self) -> None:
        """Give back what ``run`` took, in a process that goes on. Not before its end."""
        self._wire.close()
        self._ears.close()
        self._household.close()
        self._slot.close()

    def _release(self, interrupted: Claimed | None = None) -> NoReturn:
        self._seq += 1
        release = self._endings.released(started=interrupted is not None)
        word = self._ask(release(self._seq, self._order), release if interrupted else None)
        if interrupted:
            self._tell.interrupted(interrupted, word)
        raise Left(word)

    # --- talking to Redis ----------------------------------------------------------------------

    def _claim(self, queues: Sequence[str], *, woken: bool) -> Operation[Turn]:
        self._seq += 1
        return self._claim_again(queues, woken=woken)

    def _claim_again(self, queues: Sequence[str], *, woken: bool) -> Operation[Turn]:
        return operations.claim(
            self._namespace, self._me, self._seq, queues, woken=woken, **self._limits
        )

    def _ask(
        self,
        operation: Operation[Any],
        ending: Ending | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Any:
        """Make a call until it is answered; the same one, as its outcome is unknown in between.

        ``ending`` makes the same call without claiming: what is kept on disk where a stop can't
        wait for Redis, or a job left us no way to it.
        """
        while True:
            self._slot.beat()
            try:
                if ending:
                    self._household.check()
                self._wire.send(operation)
                if meanwhile:
                    meanwhile()
                    meanwhile = None
                reply = self._wire.receive(operation)
            except errors.HorusError as error:
                bound = self._household.unbind() if ending else None
                if self.jobs_done and self._away.ours_alone and not self._alone:
                    bound = bound or CUT_OFF  # a fresh runner is not, or waits as this one did
                self._recycle = bound or self._recycle
                if (bound or self._leaving()) and self._is_kept(ending):
                    raise Left(unheard=True) from None
                self._ears.hear(self._away.next_try_s(error))
            except OSError as error:
                if ending is None:
                    raise
                tell_bereft(error)
                self._keep(ending)
                raise Left(unheard=True, bereft=True) from None
            else:
                if self._away.lasts:
                    self._away.over()
                return reply

    def _keep(self, ending: Ending) -> None:
        """Leave a call on disk, for the keeper to make. Raises ``OSError``."""
        pending.save(ending(self._seq, ()), self._spool / pending.file_name(self._me))

    def _is_kept(self, ending: Ending | None) -> bool:
        """Keep what there is to keep; where the disk does not take it, say so once, and go on."""
        try:
            if ending:
                self._keep(ending)
        except OSError as error:
            if self._alone:
                raise
            if not self._told_unkept:
                why = f"{error.strerror}; this runner waits for Redis with the end of its job"
                about = {"file": str(self._spool), "error": f"can't be written: {why}"}
                self._voice.direct.error(Event.SPOOL_FAULT, **about)
            self._told_unkept = True
            return False
        return True

    def _sleep(self) -> Turn:
        """Claim as soon as a wake token is there; a word of the supervisor ends the wait for one.

        The claim is sent behind that wait, so that nobody's round trip lies between the two.
        """
        claim, refused = self._claim(self._order, woken=True), None
        try:
            if self._woken(claim):
                return self._wire.receive(claim)
        except errors.HorusError as error:
            refused = error
        if self._leaving():  # the same call, if it is not made yet, without claiming
            claim = self._claim_again((), woken=True)
        turn: Turn = self._ask(claim)
        if refused and isinstance(turn, Turned) and not turn.claimed:
            self._ears.hear(self._sleepless.next_try_s(refused))
        return turn

    def _woken(self, claim: Operation[Turn]) -> bool:
        """Wait for a token; False where the runner is to leave, the claim made or not."""
        keys = map(functools.partial(operations.wake_key, self._namespace), self._order)
        self._ears.listen()
        if self._leaving():  # asked to while a job's descriptor stood in the place of our ears
            return False
        self._wire.send_raw("BLPOP", *keys, 0, then=claim)
        since = time.monotonic()
        while not self._ears.hear(None, self._wire.fileno()):
            self._slot.beat()  # the supervisor may have asked for nothing else
            if self._leaving():  # the next call drops this wire; release passes a token on
                return False
        if self._sleepless.lasts and time.monotonic() - since > SLEPT_S:
            self._sleepless.over()  # what follows may be the end of an idle connection: a new spell
        self._wire.receive_reply()
        if self._sleepless.lasts:
            self._sleepless.over()
        return True
