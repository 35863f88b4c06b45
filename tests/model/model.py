"""What the store should do, in plain Python: no Redis, no times but "due" and "not yet".

Each method is named like its operation, takes its arguments, and returns what it should, as
``plain`` words. Written from the README and the design, not from the scripts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from horus_supervisor.lifecycle import Death
from horus_supervisor.store.rows import Slot
from tests.model.actors import NAME
from tests.model.places import Job, Parked, Place, death_id, fate
from tests.model.words import Reply

WAITING = ("ready", "scheduled")


class Model:
    """The store of one namespace."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.ready: dict[str, list[str]] = {}  # the next to run first
        self.paused: set[str] = set()
        self.tokens: set[str] = set()
        self.crashing = 0
        self.held = False
        self.parked = Parked()
        self.places: dict[str, Place] = {}
        self.deaths: dict[str, tuple[int, Reply]] = {}
        self.supervisors: dict[str, int] = {}
        self.retired: set[str] = set()
        self.records: list[tuple[str, int, str | None, str]] = []
        self.finished: dict[str, str] = {}
        self.finished_before: dict[str, str] = {}
        self.counts: Counter[tuple[str, str]] = Counter()
        self.order: dict[str, float] = {}  # of what is scheduled; Redis's clock decides
        self.rotation_due = True

    # --- clients and operators -----------------------------------------------------------------

    def knows(self, job_id: str) -> bool:
        return job_id in self.jobs or job_id in self.finished or job_id in self.finished_before

    def enqueue(
        self,
        *,
        job_id: str,
        queue: str,
        max_attempts: int,
        max_crashes: int | None,
        delay_ms: int | None,
        expires_after_ms: int | None,
        on_crash: bool,
        **rest: Any,
    ) -> Reply:
        if self.knows(job_id):
            return False
        self.ready.setdefault(queue, [])
        job = Job(queue, max_attempts, max_crashes or 0, "scheduled", on_crash=on_crash)
        job.expires, self.jobs[job_id] = expires_after_ms is not None, job
        self.counts["enqueued", queue] += 1
        if not delay_ms:
            self._to_tail(job_id)
        return True

    def retry(self, job_id: str, fence: int) -> Reply:
        state = self.state(job_id)
        if state not in ("dead", "scheduled"):
            return state
        job = self.jobs[job_id]
        if job.fence != fence or job.expired:
            return "expired" if job.fence == fence else "stale"
        if state == "dead":
            job.attempts = job.crashes = job.losses = 0
            job.history.append(("retried", 0, job.fence))
        self._to_tail(job_id)
        return "ok"

    def discard(self, job_id: str, fence: int) -> Reply:
        state = self.state(job_id)
        if state not in ("dead", "scheduled", "ready"):
            return state
        if self.jobs[job_id].fence != fence:
            return "stale"
        if state == "ready":
            self.ready[self.jobs[job_id].queue].remove(job_id)
        self._end(job_id, "discarded")
        return "ok"

    def pause(self, queue: str) -> Reply:
        told = "paused" if queue in self.paused else "ok"
        self.paused.add(queue)
        self.tokens.discard(queue)
        return told

    def resume(self, queue: str) -> Reply:
        if queue not in self.paused:
            return "running"
        self.paused.discard(queue)
        self.tokens |= self._wanting([queue])
        return "ok"

    def purge(self, queue: str, *rest: int) -> Reply:
        gone = [i for i, j in self.jobs.items() if j.queue == queue and j.state in WAITING]
        for job_id in gone:
            self._end(job_id, "discarded")
        self.ready |= {queue: []} if gone else {}
        return len(gone), False

    def state(self, job_id: str) -> str:
        if job := self.jobs.get(job_id):
            return job.state
        return self.finished.get(job_id) or self.finished_before.get(job_id) or "unknown"

    def states(self) -> dict[str, str]:
        """Tell the state of every job that is known."""
        alive = {job_id: job.state for job_id, job in self.jobs.items()}
        return self.finished_before | self.finished | alive

    # --- keepers -------------------------------------------------------------------------------

    def register(self, supervisor: str, *rest: Any) -> Reply:
        if supervisor in self.retired:
            return "retired"
        self.supervisors.setdefault(supervisor, 1)
        return "ok"

    def beat(self, supervisor: str, _: bytes) -> Reply:
        if supervisor not in self.supervisors:
            return "no member"
        self.supervisors[supervisor] += 1
        return "ok"

    def promote(self, _: int) -> Reply:
        due = [job_id for job_id, job in self.jobs.items() if job.state == "scheduled" and job.due]
        for job_id in sorted(due, key=lambda i: (self.order[i], i)):
            self._to_tail(job_id)
        return len(due)

    def kick(self) -> Reply:
        self.tokens |= self._wanting(self.ready)
        return self._joined()

    def calm(self, _: str) -> Reply:
        self.crashing = self.crashing if self.held else 0
        return "held" if self.held else "ok"

    def unhold(self, *_: Any) -> Reply:
        if not self.held and not self.parked:
            return "free", 0, False
        self.held, self.crashing = False, 0
        moved = self.parked.still(self.jobs)
        for job_id in moved:
            self._to_tail(job_id)
        self.parked.clear()
        return "ok", len(moved), False

    def rotate(self) -> Reply:
        if not self.rotation_due:
            return "early"
        self.rotation_due, self.finished, self.finished_before = False, {}, self.finished
        return "ok"

    def crash(
        self, slot: Slot, executing: int, death: Death, _: bytes, *, hold_after: int, code: str
    ) -> Reply:
        nothing = ("none", None, None, 0)
        if slot.supervisor not in self.supervisors:
            return "no member", *nothing
        died, answer = self.deaths.get(slot.key, (0, None))
        if died == slot.incarnation:
            return "again", *answer
        if died > slot.incarnation:
            return "stale", *nothing
        place = self.places.get(slot.key) or Place(0, word="left")
        if place.incarnation < slot.incarnation and place.word in ("idle", "held"):
            return "wait", *nothing
        answer = nothing
        if place.incarnation == slot.incarnation and place.word == "held":
            answer = self._settle(place, not 0 <= executing < place.seq, death)
        if place.incarnation <= slot.incarnation:
            seq = place.seq if place.incarnation == slot.incarnation else 0
            self.places[slot.key] = Place(slot.incarnation, seq, "crashed")
        self.deaths[slot.key] = slot.incarnation, answer
        if death == Death.CRASHED and answer[1] and not self.jobs[answer[1]].aftermath:
            self.crashing += 1
            self.held = self.held or self.crashing >= hold_after
        if death != Death.INTERRUPTED:
            self._record(slot.key, slot.incarnation, answer[1], answer[0])
        self.kick()
        return "ok", *answer

    def retire(
        self,
        supervisor: str,
        *,
        beat: int | None,
        death: Death,
        readable: bool,
        known: Iterable[tuple[str, int, Death, bytes]] = (),
        **rest: Any,
    ) -> Reply:
        if supervisor not in self.supervisors:
            return "gone", []
        if beat not in (None, self.supervisors[supervisor]):
            return "alive", []
        seen = {key: (executing, why) for key, executing, why, _ in known}
        lost = []
        for key in sorted(key for key in self.places if key.startswith(supervisor + "/")):
            place = self.places.pop(key)
            self.deaths.pop(key, None)
            if place.word == "held":
                executing, why = seen.get(key, (0, death))
                began = not 0 <= executing < place.seq if readable else True
                disposition, job_id, _, attempt = self._settle(place, began, why)
                if job_id:
                    lost.append((key, disposition, job_id, attempt))
                    if why != Death.INTERRUPTED:
                        self._record(key, place.incarnation, job_id, disposition)
        del self.supervisors[supervisor]
        self.retired.add(supervisor)
        self.kick()
        return "ok", sorted(lost)

    # --- runners -------------------------------------------------------------------------------

    def join(self, slot: Slot) -> Reply:
        if slot.supervisor not in self.supervisors:
            return "no member"
        place = self.places.get(slot.key) or Place(0, word="left")
        gone = place.word in ("left", "crashed")
        if place.incarnation == slot.incarnation:
            return "stale" if gone else self._joined()
        if place.incarnation > slot.incarnation:
            return "stale"
        if not gone:
            return "wait"
        self.places[slot.key] = Place(slot.incarnation)
        return self._joined()

    def _joined(self) -> Reply:
        known = [NAME] if self.crashing else []
        return "ok", [] if self.held else known, known if self.held else []

    def claim(
        self, slot: Slot, seq: int, queues: Sequence[str], *, woken: bool, **limits: int
    ) -> Reply:
        place, refusal = self._turn(slot, seq, "idle")
        if place is None:
            return refusal
        reply = self._claim_next(place, "-", queues, limits)
        self.tokens |= self._wanting(queues if woken and len(reply) > 1 else ())
        return reply

    def finish(
        self, slot: Slot, seq: int, outcome: str, queues: Sequence[str], **limits: int
    ) -> Reply:
        place, refusal = self._turn(slot, seq, "held")
        if place is None:
            return refusal
        self._end(place.job_id, outcome)
        return self._claim_next(place, "done", queues, limits)

    def fail(
        self,
        slot: Slot,
        seq: int,
        what: str,
        wait_ms: int,
        _: bytes,
        queues: Sequence[str],
        **limits: int,
    ) -> Reply:
        place, refusal = self._turn(slot, seq, "held")
        if place is None:
            return refusal
        job = self.jobs[place.job_id]
        attempt = job.attempts + 1
        if what == "failed":
            job.attempts += 1
        if what == "held":
            if not self.held or job.aftermath:
                self._to_head(place.job_id)
                return self._claim_next(place, "free", queues, limits)
            job.state, job.due, job.parked = "scheduled", False, True
            self.parked.append(place.job_id)
            return self._claim_next(place, "parked", queues, limits)
        dead = what == "refused" or (what == "failed" and job.attempts >= job.max_attempts)
        job.state, job.due = "dead" if dead else "scheduled", wait_ms == 0
        if what != "deferred" or [line[0] for line in job.history[-1:]] != ["deferred"]:
            job.history.append((what, attempt, job.fence))
        return self._claim_next(place, job.state, queues, limits)

    def release(self, slot: Slot, seq: int, queues: Sequence[str], *, started: bool) -> Reply:
        place, refusal = self._turn(slot, seq, "idle", "held")
        if place is None:
            return refusal
        reply = "none"
        if place.word == "held":
            job = self.jobs[place.job_id]
            if started:
                job.history.append(("interrupted", job.attempts + 1, job.fence))
            if started and job.max_attempts == 1:
                job.attempts, job.state, reply = 1, "dead", "dead"
            else:
                self._to_head(place.job_id)
                reply = "requeued"
        self.tokens |= self._wanting(queues)
        place.word, place.job_id, place.reply = "left", "", reply
        return reply

    # --- pieces --------------------------------------------------------------------------------

    def _turn(self, slot: Slot, seq: int, *words: str) -> tuple[Place | None, Reply]:
        """Give the slot where this call is the next of one who may make it, else the answer."""
        place = self.places.get(slot.key)
        if place is None:
            return None, "no member"
        if place.incarnation != slot.incarnation or place.word == "crashed":
            return None, "stale"
        if place.seq == seq:
            return None, place.reply
        if place.seq + 1 != seq or place.word not in words:
            return None, "stale"
        place.seq = seq
        return place, None

    def _claim_next(
        self, place: Place, done: str, queues: Sequence[str], limits: dict[str, int]
    ) -> Reply:
        place.word, place.job_id, place.reply = "idle", "", (done,)
        for queue in queues:
            while self._wanting([queue]):
                job_id = self.ready[queue].pop(0)
                job = self.jobs[job_id]
                if job.expired:
                    self._end(job_id, "discarded")
                    continue
                job.state, job.fence = "running", job.fence + 1
                place.word, place.job_id = "held", job_id
                place.max_crashes = limits["max_crashes"]
                place.reply = (done, job_id, queue, job.attempts + 1, job.fence)
                return place.reply
        return place.reply

    def _wanting(self, queues: Iterable[str]) -> set[str]:
        """Tell which of these queues have work that may start."""
        return {queue for queue in queues if self.ready.get(queue) and queue not in self.paused}

    def _settle(
        self, place: Place, began: bool, death: Death
    ) -> tuple[str, str | None, str | None, int]:
        """Move a dead runner's job; tell disposition, id, queue, attempt of what was in flight."""
        job = self.jobs[place.job_id]
        if not began:
            self._to_head(place.job_id)
            return "none", None, None, 0
        attempt = job.attempts + 1
        disposition = fate(job, death, job.max_crashes or place.max_crashes)
        job.history.append((str(death), attempt, job.fence))
        match disposition:
            case "requeued":
                self._to_head(place.job_id)
            case "scheduled":
                job.state, job.due = "scheduled", False
            case _:
                job.state = "dead"
        return disposition, place.job_id, job.queue, attempt

    def _record(self, key: str, incarnation: int, job_id: str | None, disposition: str) -> None:
        """Write a crash record, and make the job that lets a class hear of it, where it asked."""
        self.records.append((key, incarnation, job_id, disposition))
        if (job := self.jobs.get(job_id or "")) and job.on_crash:
            told = death_id(key, incarnation)
            self.jobs[told] = Job(job.queue, 12, 0, "scheduled", aftermath=True)
            self.counts["enqueued", job.queue] += 1
            self._to_tail(told)

    def _to_head(self, job_id: str) -> None:
        self._put(job_id, 0)

    def _to_tail(self, job_id: str) -> None:
        self._put(job_id, len(self.ready[self.jobs[job_id].queue]))

    def _put(self, job_id: str, at: int) -> None:
        job = self.jobs[job_id]
        self.parked.lift(job_id, job)
        job.state = "ready"
        self.ready[job.queue].insert(at, job_id)
        self.tokens |= self._wanting([job.queue])

    def _end(self, job_id: str, outcome: str) -> None:
        self.parked.lift(job_id, self.jobs[job_id])
        self.counts[outcome, self.jobs.pop(job_id).queue] += 1
        self.finished[job_id] = outcome
