"""How a runner goes of its own accord: what it says last, and its exit status."""

from __future__ import annotations

from horus_supervisor.events import Event
from horus_supervisor.messages import LEFT_STALE, LEFT_UNHEARD
from horus_supervisor.runner.voice import Voice

CLOSED = {"no member": "closed its place", "stale": "has lost its last calls"}
"""Redis's words to a runner that has no place any more, and what they mean."""


class Left(Exception):
    """This runner is done.

    ``word``: Redis's last one to it. ``unheard``: it had no way to Redis. ``bereft``: a job closed
    its descriptors, so it can't say so either.
    """

    def __init__(self, word: str = "", *, unheard: bool = False, bereft: bool = False) -> None:
        super().__init__(word)
        self.word = word
        self.unheard = unheard or bereft
        self.bereft = bereft

    @property
    def closed(self) -> str:
        """What Redis did to its place, in words; nothing where it has it yet."""
        return CLOSED.get(self.word, "")


def tell(left: Left, voice: Voice, recycled: str | None, done: int) -> int:
    """Say why it goes, if nobody asked it to; tell the exit status. ``done``: jobs."""
    if left.bereft:
        return LEFT_UNHEARD
    if recycled:
        voice.log.info(Event.RUNNER_RECYCLED, reason=recycled, jobs_done=done)
    elif left.closed:
        reason = f"Redis {left.closed} ({left.word})"
        voice.log.warning(Event.RUNNER_RECYCLED, reason=reason, jobs_done=done)
    voice.flush()
    if left.word == "stale":
        return LEFT_STALE
    return LEFT_UNHEARD if left.unheard else 0
