"""What a group's runners may take, and how long one that does not answer is borne."""

from __future__ import annotations

from typing import Any

from horus_supervisor import Client
from tests.service.apps import limitjobs as jobs
from tests.service.apps.testjobs import marks
from tests.support.service import Service
from tests.support.waiting import wait_until

IMPORTS = jobs.__name__

ONE = """
[groups.q]
queues = ["q"]
runners = 1
crash_delay = "100ms"
kill_after = "300ms"
"""


def start(service: Service, groups: str, **how: Any) -> None:
    service.write(groups, imports=IMPORTS)
    service.start(**how)


# --- settings of a group -----------------------------------------------------------------------

SETTINGS = """
nice = 5
oom_score_adj = 700
open_files = 333
environment = { HORUS_TEST_VARIABLE = "as in the file" }
"""


def test_a_groups_runners_get_its_priority_score_descriptors_and_variables(
    service: Service, client: Client
) -> None:
    start(service, ONE + SETTINGS)
    for expected in ("5 700 333 as in the file", "5 700 333 changed"):
        job = client.enqueue(jobs.Tell(service.path("told")))
        service.wait_for("job.succeeded", job_id=job.id)
        assert marks(service.path("told"))[-1] == expected
        service.write(ONE + SETTINGS.replace("as in the file", "changed"), imports=IMPORTS)
        service.wait_for("runner.started", count=2)
    assert service.events("runner.unlimited") == []


def test_a_setting_that_the_kernel_refuses_is_told_and_the_runner_serves(
    service: Service, client: Client
) -> None:
    start(service, ONE + "open_files = 1_000_000_000\nnice = 3")
    told = service.wait_for("runner.unlimited", runner="q/1")
    assert told["setting"] == "open_files = 1000000000"
    job = client.enqueue(jobs.Tell(service.path("told")))
    wait_until(lambda: job.status() == "succeeded", "told", on_failure=service.tail)
    assert marks(service.path("told"))[0].startswith("3 ")
