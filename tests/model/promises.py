"""What must hold whatever the model says: read from Redis, and from what runners saw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.model import seen
from tests.model.actors import Call, Runner
from tests.model.model import Reply

Key = tuple[str, int]


def conservation(now: seen.Raw) -> None:
    """Count, for each queue: enqueued is what waits, runs, is dead or has ended."""
    state = seen.in_redis(now)
    places: Counter[str] = Counter()
    for what in ("succeeded", "discarded"):
        places.update({q: n for (kind, q), n in state["counts"].items() if kind == what})
    places.update({queue: len(ids) for queue, ids in state["ready"].items()})
    for kind in ("scheduled", "dead"):
        places.update({q: len(values) // 2 for q, values in now.under(kind).items()})
    held = [text.split(" ") for text in now.pairs("own").values()]
    places.update(words[-1] for words in held if words[2] == "held")
    enqueued = {q: n for (kind, q), n in state["counts"].items() if kind == "enqueued"}
    assert +places == Counter(enqueued), f"enqueued {enqueued}, but there are {places}"


def one_place(now: seen.Raw) -> None:
    """Find each job with a record in exactly one place, and no other there."""
    state = seen.in_redis(now)
    found = [i for ids in state["ready"].values() for i in ids]
    found += [*state["scheduled"], *state["dead"]]
    found += [held[3] for held in state["slots"].values() if held[2] == "held"]
    assert sorted(found) == sorted(state["jobs"]), f"{sorted(found)}, not {sorted(state['jobs'])}"
    ended = state["finished"].keys() | state["finished before"].keys()
    assert not ended & state["jobs"].keys()


def no_ready_job_waits_for_an_idle_runner(now: seen.Raw, ledger: Ledger) -> None:
    """Where work is ready lies a token, or someone has taken it and is about to claim."""
    for queue in now.under("ready"):
        lies_there = len(now.under("wake").get(queue, [])) == 1
        assert lies_there or queue in ledger.tokens.values(), f"nobody is woken for {queue}"


def one_record_for_a_death(now: seen.Raw) -> None:
    ids = [record[0] for record in seen.in_redis(now)["records"]]
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
        """See a job begin: with a higher fence each time, alone, and once where that is promised."""
        if runner.zombie:
            return
        job_id, attempt, fence = runner.job
        assert fence > self.fences[job_id], f"{job_id} started with fence {fence} again"
        self.fences[job_id] = fence
        self.starts[job_id] += 1
        most = self.max_attempts[job_id]
        assert attempt <= most, f"attempt {attempt} of {most}"
        assert most > 1 or self.starts[job_id] == 1, f"{job_id} was started twice"
        doing = [r for r in others if r.phase == "executing" and not r.zombie]
        assert job_id not in [r.job[0] for r in doing], f"{job_id} runs twice at once"
