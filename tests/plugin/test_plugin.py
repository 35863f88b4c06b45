"""The plugin from outside: what it costs, what its failures look like, what it leaves behind."""

from __future__ import annotations

import pytest

from tests.support.patience import ALONE
from tests.support.service import alive
from tests.support.waiting import wait_until

pytest_plugins = ("pytester",)


@pytest.fixture(autouse=True)
def alone(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """No other plugin that is installed here: they take half of a start, and Hypothesis most."""
    monkeypatch.setenv("PYTEST_ADDOPTS", ALONE)


SHOP = """
from horus_supervisor import Job
class Charge(Job, queue="payments"):
    order: int
    def execute(self): raise ConnectionError("the bank is silent")
class Receipt(Job, queue="emails"):
    order: int
    def execute(self): pass
"""


def test_a_project_that_does_not_use_it_pays_one_module(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import sys
        def pytest_sessionfinish():
            print("loaded", *sorted(m for m in sys.modules if m.startswith("horus_supervisor")))
            heavy = ("redis", "msgspec", "structlog", "hiredis")
            print("heavy:", [m for m in heavy if m in sys.modules])
        """
    )
    pytester.makepyfile("def test_nothing(): pass")
    ran = pytester.runpytest_subprocess("-s")
    ran.assert_outcomes(passed=1)
    plugin = "horus_supervisor horus_supervisor.testing horus_supervisor.testing.plugin"
    ran.stdout.fnmatch_lines([f"*loaded {plugin}", "heavy: [[][]]"])


def test_a_failure_shows_what_waits_and_what_the_jobs_said(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        shop=SHOP,
        test_shop="""
        from shop import Charge, Receipt

        def test_enqueued(horus):
            horus.client.enqueue(Receipt(7), delay=3600)
            assert horus.enqueued(Receipt).jobs == [Receipt(8)]

        def test_one(horus):
            horus.client.enqueue(Receipt(7))
            horus.enqueued(Charge).one()

        def test_drain(horus):
            horus.client.enqueue(Charge(7))
            assert horus.drain().failed == []
        """,
    )
    ran = pytester.runpytest_subprocess()
    ran.assert_outcomes(failed=3)
    ran.stdout.fnmatch_lines(
        [
            "*assert [[]Receipt(order=7)] == [[]Receipt(order=8)]*",
            "*AssertionError: 0 of Charge wait, not 1; these do: [[]Receipt(order=7) on emails]",
            "*Charge(order=7) on payments, attempt 1: ConnectionError: the bank is silent*",
            "*Captured stderr call*",
            "*warning job.failed *shop.Charge failed on attempt 1: ConnectionError*",
            "ConnectionError: the bank is silent",
        ]
    )


@pytest.mark.parametrize("how", ["pass", "os.kill(os.getpid(), 9)"])
def test_the_server_ends_with_the_tests_however_they_end(
    pytester: pytest.Pytester, how: str
) -> None:
    pytester.makepyfile(
        f"""
        import os
        from pathlib import Path
        def test_it(horus):
            info = horus.client.connection.raw.info("server")
            Path("pid").write_text(str(info["process_id"]))
            {how}
        """
    )
    pytester.runpytest_subprocess()
    pid = int((pytester.path / "pid").read_text())
    wait_until(lambda: not alive(pid), "the server's end")


def test_a_machine_without_a_server_is_told_how_to_get_one(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeconftest(
        """
        from horus_supervisor import embedded
        embedded._candidates = lambda: iter(())
        """
    )
    pytester.makepyfile("def test_it(horus): pass")
    ran = pytester.runpytest_subprocess()
    ran.assert_outcomes(errors=1)
    ran.stdout.fnmatch_lines(["*HorusError: no redis-server or valkey-server*[[]embedded[]]*"])
