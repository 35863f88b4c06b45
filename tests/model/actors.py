"""A runner as the store sees it: which call comes next, and what it does with the reply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from horus_supervisor.lifecycle import Death
from horus_supervisor.store.rows import Slot
from tests.model.words import Reply

QUEUES = ("one", "two")
RECORD = b'{"cause":"signal"}'
LIMITS = {"max_crashes": 2, "crash_delay_ms": 3_600_000}
UNSTARTED = ("deferred", "refused", "held")
HOLD_AFTER = 3
NAME = "a.Job"
ENDINGS = (
    *("succeeded", "succeeded", "discarded", "failed now", "failed now", "failed"),
    *("interrupted", "interrupted", *UNSTARTED),
)


PHASES = ("new", "idle", "blocked", "woken", "claimed", "executing")


@dataclass(frozen=True)
class Call:
    """An operation by name, for Redis and for the model."""

    name: str
    args: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def about(self) -> str:
        """The job that a client's or an operator's call names."""
        match self.name:
            case "enqueue":
                return str(self.options["job_id"])
            case "retry" | "discard":
                return str(self.args[0])
            case _:
                return ""

    def without_queues(self) -> Call:
        """Give the same call, but one that claims nothing and passes no token on."""
        if self.name not in ("finish", "fail", "release"):
            return self
        return replace(self, args=(*self.args[:-1], ()))

    def final(self, reply: Reply) -> bool:
        """Tell whether a late copy must change nothing, ever after."""
        if self.name in (
            "promote",
            "kick",
            "rotate",
            "beat",
            "pause",
            "resume",
            "purge",
            "unhold",
            "calm",
        ):
            return False  # a keeper's duty, an operator's word: each is a new one
        return (reply[0] if isinstance(reply, tuple) else reply) not in ("wait", "no member")

    def same(self, first: Reply, again: Reply) -> bool:
        """Tell whether a repeat answered what the first call did."""
        if self.name == "crash" and first[0] == "ok":
            return bool(again == ("again", *first[1:]))
        return bool(again == first)


@dataclass
class Runner:
    """One life in a slot.

    ``executing``: the claim that the scoreboard shows in execution, 0 for none. ``zombie``: its
    supervisor was retired while it lives.
    """

    slot: Slot
    queues: tuple[str, ...]
    phase: str = "new"  # one of PHASES, or gone
    seq: int = 0
    executing: int = 0
    job: tuple[str, int, int] = ("", 0, 0)  # id, attempt, fence
    begun: bool = False  # by the last step
    alive: bool = True
    stopping: bool = False
    zombie: bool = False
    death: Death | None = None
    reported: bool = False
    wary: bool = False  # it was told that the class is held

    def next_call(self, ending: str, *, more: bool) -> Call | None:
        """Tell the next call; None where there is another thing to do: wait, or begin the job."""
        self.begun = False
        queues = self.queues if more and not self.stopping else ()
        match self.phase:
            case "new":
                return Call("join", (self.slot,))
            case "claimed" if not self.stopping:
                if ending in UNSTARTED or self.wary:
                    return self._end("held" if self.wary else ending, queues)
                self.phase, self.executing, self.begun = "executing", self.seq, True
                return None
            case "executing":
                return self._end("failed" if ending in UNSTARTED else ending, queues)
            case "blocked" if not self.stopping and not self.zombie:
                return None
            case _ if self.stopping:
                return self._release(started=False)
            case _:
                woken = self.phase == "woken"
                return self._call("claim", (self.queues,), {**LIMITS, "woken": woken})

    def _end(self, ending: str, queues: tuple[str, ...]) -> Call:
        match ending:
            case "succeeded" | "discarded":
                return self._call("finish", (ending, queues), LIMITS)
            case "interrupted":
                return self._release(started=True)
            case _:
                what, _, now = ending.partition(" ")
                wait_ms = 0 if now else LIMITS["crash_delay_ms"]
                return self._call("fail", (what, wait_ms, b"{}", queues), LIMITS)

    def _release(self, *, started: bool) -> Call:
        return self._call("release", (self.queues,), {"started": started})

    def _call(self, name: str, args: tuple[Any, ...], options: Mapping[str, Any]) -> Call:
        self.seq += 1
        return Call(name, (self.slot, self.seq, *args), options)

    def hear(self, reply: Reply) -> None:
        """Go on after a reply."""
        match reply:
            case ("ok", _, held):
                self.phase, self.wary = "idle", bool(held)
            case "wait":
                pass
            case str():  # left, stale, no member
                self.phase, self.alive = "gone", False
            case (done, job_id, _, attempt, fence):
                self.wary = self.wary and done != "free"
                self.phase, self.job = "claimed", (job_id, attempt, fence)
            case (done,):
                self.wary = self.wary and done != "free"
                finished = self.phase == "executing"
                self.phase = "idle" if finished else "blocked"
                self.executing = 0 if finished else self.executing

    def sleeps(self, tokens: set[str]) -> bool:
        """Tell whether it waits for a token of those that aren't there: its next step is none."""
        waits = self.phase == "blocked" and not self.zombie
        return waits and tokens.isdisjoint(self.queues)

    def wake(self, queue: str) -> None:
        """Have taken a token of this queue: look there first."""
        self.phase = "woken"
        self.queues = (queue, *(q for q in self.queues if q != queue))

    def die(self, death: Death) -> None:
        self.alive, self.death = False, death
