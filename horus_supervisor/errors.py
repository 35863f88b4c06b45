"""Every error that Horus raises on purpose, in one family.

Each says what is wrong, where, and what to do about it; whoever catches
``HorusError`` catches them all, save the two that are raised *into* a running job
(``JobTimeout``, ``JobInterrupted``), which a job's ``except Exception`` must not swallow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


class HorusError(Exception):
    """Base of all errors that Horus raises; ``str`` is ``what``, and behind a colon ``remedy``.

    ``job_ids``, where a call that enqueues had sent something: the ids of all its jobs, in order;
    to repeat it with these is safe. ``enqueued``: those of them that surely are on their queues.
    """

    job_ids: tuple[str, ...] = ()
    enqueued: tuple[str, ...] = ()

    def __init__(self, what: str = "", *, remedy: str = "") -> None:
        super().__init__(f"{what}: {remedy}" if remedy else what)
        self.what = what
        self.remedy = remedy
        """What to do about it, apart from ``what`` for who knows better, or says it elsewhere."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Come whole out of a pickle (a process pool's), whatever ``__init__`` asks for."""
        return _as_it_was, (type(self), self.args, vars(self))


def _as_it_was(kind: type[HorusError], args: tuple[Any, ...], state: dict[str, Any]) -> HorusError:
    error = kind.__new__(kind)
    error.args = args
    vars(error).update(state)
    return error


class JobDefinitionError(HorusError, TypeError):
    """A job class can't work: raised where the class is defined, naming the field and its type."""


class PayloadError(HorusError, ValueError):
    """A job's values can't travel: raised at enqueue, in the caller's stack, naming the field."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake of a configuration file; ``str`` makes a sentence of it."""

    file: str
    message: str
    """What is wrong, what is allowed, and where one can tell, what to write."""
    line: int | None = None
    column: int | None = None
    key: str | None = None
    found: str | None = None
    """The value as its author wrote it; None too where it may be a secret."""
    nearest: str | None = None
    """The known key that an unknown one is most like."""
    traceback: str | None = None
    """Of a module that can't be imported: the frames that are its own."""

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        key = self.key if self.found is None else f"{self.key} = {self.found}"
        return ": ".join(part for part in (place, key, self.message) if part)


class ConfigError(HorusError):
    """A configuration file has mistakes; ``mistakes`` lists every one of them, a sentence each."""

    def __init__(self, mistakes: Sequence[Mistake | str]) -> None:
        self.mistakes = [str(mistake) for mistake in mistakes]
        self.details = [mistake for mistake in mistakes if isinstance(mistake, Mistake)]
        super().__init__("\n".join(self.mistakes))


class RedisAway(HorusError, ConnectionError):
    """Redis can't be reached and nothing was sent: the call did not happen."""


class ReplyLost(HorusError, ConnectionError):
    """The connection broke after the call was sent: it may or may not have happened.

    Every call of Horus may be repeated with the same result, so whoever sees this repeats it.
    """


class EnqueueUnknown(HorusError, ConnectionError):
    """An enqueue was sent and not all of it answered: repeat it with its ids, which is safe.

    ``id=error.job_id`` for one job (``job_id`` is the first that may not be on its queue), for many
    ``ids=error.job_ids``. Safe until a minute after a job's end.
    """

    def __init__(
        self, message: str, job_ids: tuple[str, ...], enqueued: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message)
        self.job_ids = job_ids
        self.enqueued = enqueued
        surely = set(enqueued)
        self.job_id = next((one for one in job_ids if one not in surely), job_ids[0])


class ServiceNotRunning(HorusError, ConnectionError):
    """An embedded Redis was asked for and no service runs there; the message has the command."""


class RedisRefused(HorusError):
    """Redis answered and said no: wrong credentials, no permission, a version too old."""


class QueueFull(HorusError):
    """Redis is at ``maxmemory``: the job was not accepted; what waits still drains."""


class Retry(HorusError):
    """Raise in ``execute`` to run the job again: an attempt like any other.

    Parameters: ``after``, seconds until the next attempt (default: the class's ``retry_in``).
    """

    def __init__(
        self, message: str = "the job asked for another try", *, after: float | None = None
    ) -> None:
        super().__init__(message)
        self.after_s = after


class Discard(HorusError):
    """Raise in ``execute`` to end the job as ``discarded``; the message says why."""


class JobTimeout(BaseException):
    """Raised inside ``execute`` when a job is past its ``timeout``.

    A ``BaseException``: cleaning up is welcome, going on is not, and what does not give way
    within ``kill_after`` is killed with its process group.
    """


class JobInterrupted(BaseException):
    """Raised inside ``execute`` when a stop can't wait; the job goes back, uncounted."""
