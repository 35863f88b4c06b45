"""``--probe``: what a health check hears of a service that starts, serves, or is gone."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import signal
import subprocess
import sys

from horus_supervisor import Client
from horus_supervisor.store import operations
from horus_supervisor.supervisor import probe as probing
from tests.support.redis_server import RedisServer
from tests.support.service import Service
from tests.support.waiting import wait_until

ONE = "[queues]\nq = 1\n"


def typed(service: Service, what: str) -> tuple[int, str]:
    """Ask as a health check does; the exit status and the one line."""
    module = "horus_supervisor.supervisor.main"
    asked = subprocess.run(
        [sys.executable, "-m", module, "-c", str(service.config), "--probe", what],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert asked.stderr == ""
    [line] = asked.stdout.splitlines()
    return asked.returncode, line


def probe(service: Service, what: str) -> tuple[int, str]:
    """Ask in this process."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        status = probing.probe(service.config, what)
    [line] = said.getvalue().splitlines()
    return status, line


def wait_for(service: Service, what: str, code: int, text: str) -> None:
    """Wait until a probe says so."""

    def there() -> bool:
        status, line = probe(service, what)
        return status == code and text in line

    wait_until(there, f"{what} {code}: {text}", on_failure=service.tail)


def test_a_service_that_serves_is_live_and_ready_and_one_that_has_stopped_is_neither(
    service: Service,
) -> None:
    service.write("[queues]\nq = 2\n")
    for what in ("live", "ready"):
        nobody = f"not {what}: no service runs on {service.folder}/state"
        assert typed(service, what) == (1, nobody)
    service.start()
    for what in ("live", "ready"):
        assert typed(service, what) == (0, f"{what}: serving 2 runners")
    assert service.stop() == 0
    for what in ("live", "ready"):
        assert typed(service, what)[0] == 1


def test_a_file_that_was_saved_with_mistakes_ends_no_service_that_lives(service: Service) -> None:
    service.write(ONE)
    service.start()
    service.config.write_text(service.config.read_text() + "[queues\nq = three")
    service.wait_for("supervisor.config_rejected")
    assert probe(service, "live")[0] == probe(service, "ready")[0] == 0


def test_a_service_is_live_and_not_ready_while_job_code_is_imported(
    service: Service, client: Client
) -> None:
    (service.folder / "slow.py").write_text("import time\ntime.sleep(60)\n")
    service.write(ONE, imports="slow", path=str(service.folder))
    service.start(ready=False)
    why = "0 of 1 runner, as the job code is not imported"
    wait_for(service, "ready", 1, why)
    listed = functools.partial(client.connection.run, operations.supervisors(service.namespace))
    wait_until(lambda: listed()[0].facts["not_ready"] == why, "status is told as much")
    assert probe(service, "live")[0] == 0


def test_a_service_is_live_and_not_ready_while_redis_is_away(
    outage: Service, own_redis: RedisServer
) -> None:
    outage.write(ONE)
    outage.start()
    own_redis.kill()
    wait_for(outage, "ready", 1, "not ready: Redis is away since ")
    assert probe(outage, "live")[0] == 0
    own_redis.start()
    wait_for(outage, "ready", 0, "serving 1 runner")


def test_a_service_is_not_ready_while_a_runner_is_lacking(service: Service) -> None:
    service.write("[queues]\nq = 3\n")
    service.start()
    template = service.program("horus-template")
    os.kill(template, signal.SIGSTOP)  # nobody is born any more
    os.kill(service.runner_pids()[0], signal.SIGKILL)
    wait_for(service, "ready", 1, "not ready: 2 of 3 runners")
    assert probe(service, "live")[0] == 0
    os.kill(template, signal.SIGCONT)
    wait_for(service, "ready", 0, "serving 3 runners")


def test_a_service_whose_loop_stands_still_is_not_live(service: Service) -> None:
    service.write(ONE)
    service.start()
    os.kill(service.pid, signal.SIGSTOP)
    state = service.folder / "state"
    try:
        wait_until(lambda: not probing.ask(state, "live", within_s=1.5)[0], "not live")
        told = probing.ask(state, "live", within_s=1.5)[1]
        assert told.startswith(f"the loop of the supervisor (pid {service.pid}) stands still")
    finally:
        os.kill(service.pid, signal.SIGCONT)
    wait_until(lambda: probing.ask(state, "live", within_s=1.5)[0], "live again")


def test_what_a_killed_predecessor_said_counts_no_longer(service: Service) -> None:
    service.write(ONE)
    service.start()
    service.kill()
    assert (service.folder / "state" / "status").is_symlink()
    assert probe(service, "live")[0] == probe(service, "ready")[0] == 1
    (service.folder / "slow.py").write_text("import time\ntime.sleep(60)\n")
    service.write(ONE, imports="slow", path=str(service.folder))
    service.start(ready=False)
    service.wait_for("supervisor.started", count=2)
    wait_for(service, "live", 0, "live: ")
    assert probe(service, "ready")[0] == 1
