"""What systemd hears of a service."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.service import Service
from tests.support.waiting import wait_until

ONE = "[queues]\nq = 1\n"


class Systemd:
    """The socket of a manager; remembers every message."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.said: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0"))
        self._socket.setblocking(False)

    def hear(self) -> list[str]:
        """All that was said until now."""
        try:
            while True:
                self.said.append(self._socket.recv(4096).decode())
        except BlockingIOError:
            return self.said

    def wait_for(self, start: str, count: int = 1) -> str:
        """Wait for a message that starts so; its ``count``-th."""
        found: list[str] = []

        def there() -> bool:
            found[:] = [said for said in self.hear() if said.startswith(start)]
            return len(found) >= count

        wait_until(there, f"{start}, {count} times", on_failure=lambda: str(self.said))
        return found[count - 1]

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    manager = Systemd(str(tmp_path / "notify"))
    yield manager
    manager.close()


def test_a_manager_hears_when_a_service_is_ready_reloads_and_stops(
    service: Service, systemd: Systemd
) -> None:
    hold = Path(service.path("hold"))
    waits = f"import os, time\nwhile os.path.exists({str(hold)!r}): time.sleep(0.01)\n"
    (service.folder / "waits.py").write_text(waits)
    service.write("[queues]\nq = 2\n", imports="waits", path=str(service.folder))
    service.start(env={"NOTIFY_SOCKET": systemd.address})
    systemd.wait_for("STATUS=serving 2 runners")
    assert [said for said in systemd.said if not said.startswith("STATUS=")] == ["READY=1"]

    hold.touch()
    asked_us = time.monotonic_ns() // 1000
    service.signal(signal.SIGHUP)
    words = systemd.wait_for("RELOADING=1").splitlines()
    told_us = int(dict(word.split("=") for word in words)["MONOTONIC_USEC"])
    assert asked_us <= told_us <= time.monotonic_ns() // 1000
    service.wait_for("reload.begun")
    assert systemd.hear().count("READY=1") == 1, "the new code is not imported yet"
    hold.unlink()
    systemd.wait_for("READY=1", count=2)
    service.wait_for("reload.done")

    service.signal(signal.SIGTERM)
    systemd.wait_for("STOPPING=1")
    assert service.wait() == 0
    assert systemd.hear()[-1] == "STATUS=it stops"


def test_a_reload_of_a_file_with_mistakes_is_over_at_once(
    service: Service, systemd: Systemd
) -> None:
    service.write(ONE)
    service.start(env={"NOTIFY_SOCKET": systemd.address})
    service.config.write_text("[queues")
    service.signal(signal.SIGHUP)
    systemd.wait_for("RELOADING=1")
    systemd.wait_for("READY=1", count=2)
    service.wait_for("supervisor.config_rejected")


def test_a_manager_hears_what_is_lacking_and_not_that_the_service_is_ready(
    service: Service, systemd: Systemd
) -> None:
    (service.folder / "slow.py").write_text("import time\ntime.sleep(60)\n")
    service.write(ONE, imports="slow", path=str(service.folder))
    service.start(ready=False, env={"NOTIFY_SOCKET": systemd.address})
    systemd.wait_for("STATUS=0 of 1 runner, as the job code is not imported")
    assert "READY=1" not in systemd.said


def test_an_abstract_socket_is_one_too(service: Service) -> None:
    manager = Systemd(f"@horus-test-{os.getpid()}")
    service.write(ONE)
    service.start(env={"NOTIFY_SOCKET": manager.address})
    manager.wait_for("READY=1")
    manager.close()


def test_a_loop_that_turns_feeds_the_watchdog_and_one_that_hangs_does_not(
    service: Service, systemd: Systemd
) -> None:
    service.write(ONE)
    service.start(env={"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "600000"})
    systemd.wait_for("WATCHDOG=1", count=3)
    os.kill(service.pid, signal.SIGSTOP)
    fed = systemd.hear().count("WATCHDOG=1")
    stopped = time.monotonic()
    wait_until(lambda: time.monotonic() - stopped > 1, "longer than the watchdog waits")
    assert systemd.hear().count("WATCHDOG=1") <= fed + 1  # one may have been on its way
    os.kill(service.pid, signal.SIGCONT)


def test_the_watchdog_of_another_process_is_left_alone(service: Service, systemd: Systemd) -> None:
    service.write(ONE)
    another = {"WATCHDOG_USEC": "600000", "WATCHDOG_PID": str(os.getpid())}
    service.start(env={"NOTIFY_SOCKET": systemd.address, **another})
    assert service.stop() == 0
    assert "STOPPING=1" in systemd.hear()
    assert "WATCHDOG=1" not in systemd.said


def test_no_child_is_told_where_to_speak_for_the_service(
    service: Service, systemd: Systemd
) -> None:
    env = {"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "600000", "WATCHDOG_PID": "1"}
    told = service.path("told")
    (service.folder / "tells.py").write_text(f"import os\nos.system('env > {told}')\n")
    service.write(ONE, imports="tells", path=str(service.folder))
    service.start(env=env)
    assert "PATH=" in Path(told).read_text()
    assert not [name for name in env if name in Path(told).read_text()]


def test_a_manager_that_is_gone_keeps_nobody_from_serving(service: Service) -> None:
    service.write(ONE)
    service.start(env={"NOTIFY_SOCKET": service.path("nobody"), "WATCHDOG_USEC": "10"})
    assert service.stop() == 0
    assert service.events("supervisor.fault") == []
