"""What the fixture ``horus`` is: jobs run, looked at and moved in time, in a test's own words."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, TypeVar, overload

from horus_supervisor.client import Client
from horus_supervisor.enqueue import prepare
from horus_supervisor.job.current import LastAttempt
from horus_supervisor.job.definition import Job
from horus_supervisor.testing import drain, enqueued, inline, moving

J = TypeVar("J", bound=Job)


class Horus:
    """Background jobs of one test, on a private Redis that was empty when it began."""

    def __init__(self, client: Client) -> None:
        self.client = client
        """For the application: a client like any other."""

    def run(
        self,
        job: Job,
        *,
        id: str | None = None,
        queue: str | None = None,
        attempt: int = 1,
        fence: int | None = None,
        stopping: bool = False,
        previous: LastAttempt | None = None,
    ) -> None:
        """Run a job here and now, as a runner would get it: through JSON and back, checked twice.

        Nothing is enqueued, no hook runs and no timeout is kept. The other parameters are what
        ``current_job()`` tells the job (``fence``: default ``attempt``). Raises: what the job
        raises, the error itself; ``PayloadError``.
        """
        order = prepare(job, id=id, queue=queue, max_bytes=self.client.max_payload_bytes)
        fence = attempt if fence is None else fence
        inline.run(
            type(job), order, attempt=attempt, fence=fence, stopping=stopping, previous=previous
        )

    @overload
    def enqueued(
        self, job_class: None = None, *, queue: str | None = None
    ) -> enqueued.EnqueuedList[Job]: ...

    @overload
    def enqueued(
        self, job_class: type[J], *, queue: str | None = None
    ) -> enqueued.EnqueuedList[J]: ...

    def enqueued(self, job_class: Any = None, *, queue: str | None = None) -> Any:
        """Tell the jobs that wait, as they were enqueued, with ``id``, ``queue`` and ``due``.

        Parameters: ``job_class``, of this class and those derived from it; ``queue``, on this one.
        ``.jobs`` of the list is the jobs alone, ``.one()`` the only one. Raises: ``HorusError``
        where a job waits whose class was not imported here.
        """
        return enqueued.enqueued(self.client, job_class or Job, queue)

    def drain(self, queue: str | None = None) -> drain.Drained:
        """Run what is due, on all queues or one, by a real runner in this process and thread.

        Also what these jobs enqueue. A job that fails and is to be tried again waits, until
        ``advance`` and the next ``drain``. Errors are told, not raised. Raises: ``HorusError``
        where it does not end within 10,000 jobs.
        """
        return drain.drain(self.client, queue)

    def advance(self, by: float | timedelta) -> None:
        """Let so much time pass for the jobs that wait, in seconds or as a timedelta.

        What becomes due is ready, what expires will be discarded. No clock is moved: ``datetime``
        in job code goes on telling the time. Raises: ``ValueError`` for less than nothing.
        """
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        if not seconds >= 0:
            raise ValueError(f"advance({by!r}): time goes forward")
        moving.advance(self.client, round(seconds * 1000))
        drain.promote_all(self.client)
