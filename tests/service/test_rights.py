"""As whom a service runs: said at its start."""

from __future__ import annotations

import subprocess

import pytest

from tests.support.service import Service

ROOT = ("unshare", "-U", "--map-user=0")
NAMELESS = ("unshare", "-U", "--map-user=54321")


def may_unshare() -> bool:
    try:
        return subprocess.run([*ROOT, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not may_unshare(), reason="needs the right to make user namespaces")
@pytest.mark.parametrize(("within", "user"), [(ROOT, "root"), (NAMELESS, "54321")])
def test_a_start_says_the_user_and_warns_of_root(
    service: Service, within: tuple[str, ...], user: str
) -> None:
    service.write("[queues]\nq = 1\n")
    service.start(within=within)
    [started] = service.events("supervisor.started")
    assert started["user"] == user
    assert started["message"].endswith(f"config.toml as {user}")
    assert len(service.events("supervisor.as_root", level="warning")) == (user == "root")


@pytest.mark.parametrize("umask", ["0027", "0000"])
def test_a_start_says_the_umask_and_keeps_it(service: Service, umask: str) -> None:
    service.write("[queues]\nq = 1\n")
    service.start(within=("sh", "-c", f'umask {umask}; exec "$@"', "sh"))
    [started] = service.events("supervisor.started")
    assert started["umask"] == umask
    with open(f"/proc/{service.pid}/status") as status:
        assert f"Umask:\t{umask}\n" in status
