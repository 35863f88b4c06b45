"""What must hold whatever the model says: read from Redis, and from what runners saw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from horus_supervisor.lifecycle import ARROWS, JobState
from tests.model.actors import Call, Runner
from tests.model.choices import HOUR_MS
from tests.model.words import Reply

Key = tuple[str, int]
State = dict[str, Any]
"""What ``seen.in_redis`` tells."""


def only_its_arrows(script: str, before: dict[str, str], after: dict[str, str]) -> None:
    """See a call move jobs along its arrows in ``lifecycle`` only; finish and fail claim too.

    What fail puts back it may claim at once, and find expired: two arrows in one call.
    """
    allowed = set(ARROWS.get(script, ()))
    if script in ("finish", "fail"):
        claims = set(ARROWS["claim"])
        allowed |= claims | {(a, c) for a, b in allowed for start, c in claims if b == start}
    if script in ("crash", "retire"):
        allowed.add((JobState.UNKNOWN, JobState.READY))  # by which a class hears of a crash
    if script == "rotate":
        allowed |= {(end, JobState.UNKNOWN) for end in (JobState.SUCCEEDED, JobState.DISCARDED)}
    for job_id in before | after:
        arrow = JobState(before.get(job_id, "unknown")), JobState(after.get(job_id, "unknown"))
        assert arrow[0] == arrow[1] or arrow in allowed, f"{script} moved {job_id}: {arrow}"


def conservation(now: State) -> None:
    """Count, for each queue: enqueued is what waits, runs, is dead or has ended."""
    enqueued = {q: n for (kind, q), n in now["counts"].items() if kind == "enqueued"}
    places = Counter(job[0] for job in now["jobs"].values())
    for (what, queue), count in now["counts"].items():
        if what != "enqueued":
            places[queue] += count
    assert +places == Counter(enqueued), f"enqueued {enqueued}, but there are {places}"


def one_place(now: State) -> None:
    """Find each job with a record in exactly one place, in its own queue, and no other there."""
    found = [(i, queue) for queue, ids in now["ready"].items() for i in ids]
    found += [(i, now["jobs"][i][0]) for i in (*now["scheduled"], *now["dead"])]
    found += [(s[3], now["jobs"][s[3]][0]) for s in now["slots"].values() if s[2] == "held"]
    expected = sorted((i, job[0]) for i, job in now["jobs"].items())
    assert sorted(found) == expected, f"{sorted(found)}, not {expected}"
    ended = now["finished"].keys() | now["finished before"].keys()
    assert not ended & now["jobs"].keys()


def no_ready_job_waits_for_an_idle_runner(now: State, ledger: Ledger) -> None:
    """Where work is ready lies a token, or someone has taken it and is about to claim."""
    for queue in now["ready"].keys() - set(now["paused"]):
        lies_there = now["tokens"].get(queue) == 1
        assert lies_there or queue in ledger.tokens.values(), f"nobody is woken for {queue}"


def keepers_look_wherever_work_is(now: State) -> None:
    """Find each queue with ready jobs where `kick` looks, and no due time that `promote` misses."""
    missed = now["ready"].keys() - set(now["paused"]) - set(now["awake"])
    assert not missed, f"no kick looks at {missed}"
    for queue, next_due in now["next due"].items():
        late_ms = now["due"].get(queue, HOUR_MS + next_due) - next_due
        # half an hour, as no search may depend on milliseconds
        assert late_ms < HOUR_MS / 2, f"{queue} is promoted late"


def one_record_for_a_death(now: State) -> None:
    ids = [record[0] for record in now["records"]]
    assert len(ids) == len(set(ids)), f"two records for one death: {ids}"


@dataclass
class Ledger:
    """What runners did, and which of them has taken a token and not claimed yet."""

    tokens: dict[Key, str] = field(default_factory=dict)
    max_attempts: dict[str, int] = field(default_factory=dict)
    starts: Counter[str] = field(default_factory=Counter)
    fences: dict[str, int] = field(default_factory=dict)

    def woken(self, runner: Runner, queue: str) -> None:
        self.tokens[runner.slot.key, runner.slot.incarnation] = queue

    def kicked(self, living: Iterable[Runner]) -> None:
        """Forget tokens of the dead: the kick has left others."""
        alive = {(runner.slot.key, runner.slot.incarnation) for runner in living}
        self.tokens = {key: queue for key, queue in self.tokens.items() if key in alive}

    def heard(self, call: Call, reply: Reply) -> None:
        """Note what a call that was carried out means."""
        match call.name:
            case "enqueue" if reply:
                job_id = call.options["job_id"]
                self.max_attempts[job_id] = call.options["max_attempts"]
                self.starts[job_id] = self.fences[job_id] = 0
            case "retry" if reply == "ok":
                self.starts[call.args[0]] = 0
            case "claim" | "release" | "crash":
                slot = call.args[0]
                if reply not in ("stale", "no member") and reply[0] != "wait":
                    self.tokens.pop((slot.key, slot.incarnation), None)
            case "retire" if reply[0] == "ok":
                of_it = call.args[0] + "/"
                self.tokens = {k: q for k, q in self.tokens.items() if not k[0].startswith(of_it)}

    def started(self, runner: Runner, others: list[Runner]) -> None:
        """See a job begin: with a higher fence each time, alone, once where that is promised."""
        if runner.zombie:
            return
        job_id, attempt, fence = runner.job
        assert fence > self.fences.get(job_id, 0), f"{job_id} started with fence {fence} again"
        self.fences[job_id] = fence
        self.starts[job_id] += 1
        most = self.max_attempts.get(job_id, 12)
        assert attempt <= most, f"attempt {attempt} of {most}"
        assert most > 1 or self.starts[job_id] == 1, f"{job_id} was started twice"
        doing = [r for r in others if r.phase == "executing" and not r.zombie]
        assert job_id not in [r.job[0] for r in doing], f"{job_id} runs twice at once"
