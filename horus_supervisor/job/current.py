"""The job that this process executes now: what job code may ask about itself.

One at a time, as a runner has one thread of its own; threads that a job starts see the same.
Knows no Redis: what it tells was handed to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from horus_supervisor.errors import HorusError

if TYPE_CHECKING:
    from horus_supervisor.logs import Logger


@dataclass(frozen=True, slots=True)
class LastAttempt:
    """How a job's last attempt ended: has it charged the card already?"""

    attempt: int
    ended: str
    """``failed``, ``crashed`` (it brought its runner down), ``killed`` (past its timeout or its
    memory), ``lost`` (its host or supervisor went), ``interrupted`` (by a stop) or ``refused``."""
    at: datetime
    """When, by Redis's clock; in UTC."""
    cause: str | None = None
    """The crash record's ``cause``, where there is one."""
    error_type: str | None = None
    error_message: str | None = None


class CurrentJob:
    """What a job knows of its own run."""

    __slots__ = (
        *("_last", "_log", "_make_log", "_stopping"),
        *("attempt", "fence", "id", "queue"),
    )

    def __init__(
        self,
        id: str,
        queue: str,
        attempt: int,
        fence: int,
        make_log: Callable[[], Logger],
        stopping: Callable[[], bool],
        last: Callable[[], LastAttempt | None] = lambda: None,
    ) -> None:
        self.id = id
        """The same in every run of this job: a key by which others can know a repeat."""
        self.queue = queue
        """The queue that it came from."""
        self.attempt = attempt
        """1 at the first start; a start that did not count uses its number again."""
        self.fence = fence
        """Rises with every start of this job: for systems that can refuse an older one."""
        self._make_log = make_log
        self._stopping = stopping
        self._last = last
        self._log: Logger | None = None

    @property
    def log(self) -> Logger:
        """A structlog logger bound to this job; made at first use."""
        if self._log is None:
            self._log = self._make_log()
        return self._log

    @property
    def stopping(self) -> bool:
        """Whether this runner is to leave: a good moment to return early.

        At a stop, for new code (SIGHUP), or as its group shrinks.
        """
        return self._stopping()

    @property
    def previous(self) -> LastAttempt | None:
        """How the last attempt ended; None where ``execute`` begins for the first time."""
        return self._last()

    def __repr__(self) -> str:
        return f"<job {self.id} of {self.queue}, attempt {self.attempt}>"


_current: CurrentJob | None = None
_make: Callable[[], CurrentJob] | None = None


def current_job() -> CurrentJob:
    """Tell the job that runs now. Raises: ``HorusError`` where none does."""
    global _current
    if _current is None:
        if _make is None:
            raise HorusError(
                "no job runs here: current_job() is for code that a job's execute calls"
            )
        _current = _make()
    return _current


def set_current(make: Callable[[], CurrentJob] | None) -> None:
    """Say which job runs from now on, described when it asks, or that none does. For runners."""
    global _current, _make
    _current, _make = None, make


@contextmanager
def running(make: Callable[[], CurrentJob]) -> Iterator[None]:
    """Say which job runs in the block, and after it the one that ran before. For tests."""
    global _current, _make
    before = _current, _make
    set_current(make)
    try:
        yield
    finally:
        _current, _make = before
