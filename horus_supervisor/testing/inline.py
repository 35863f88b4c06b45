"""One job, run where the test stands: through JSON and back, its own error raised."""

from __future__ import annotations

import sys

from horus_supervisor import logs
from horus_supervisor.enqueue import Enqueue
from horus_supervisor.job import current
from horus_supervisor.job.codec import decode
from horus_supervisor.job.current import CurrentJob, LastAttempt
from horus_supervisor.job.definition import Job, refuse_undone


def tell(line: bytes) -> None:
    """Show a log line to whoever reads standard error, for pytest beside the failure."""
    sys.stderr.write(logs.console_line(line, color=False).decode())


def run(
    job_class: type[Job],
    order: Enqueue,
    *,
    attempt: int,
    fence: int,
    stopping: bool,
    previous: LastAttempt | None,
) -> None:
    """Make the job from what would have travelled, and execute it as that attempt."""
    fields = {"job_id": order.job_id, "job": order.name, "queue": order.queue, "attempt": attempt}
    job = decode(job_class, order.payload, len(order.payload))
    described = CurrentJob(
        order.job_id,
        order.queue,
        attempt,
        fence,
        lambda: logs.bind(tell, fields, "debug", firm=True),
        lambda: stopping,
        lambda: previous,
    )
    with current.running(lambda: described):
        refuse_undone(job.execute())
