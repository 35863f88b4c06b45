"""The example jobs do what their names say."""

from __future__ import annotations

import email
import email.policy
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from horus_supervisor.job.current import CurrentJob, set_current
from tests.support.example_jobs import jobs

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def attempt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Runs as attempt 1 of job j1, with its files below ``tmp_path``."""
    monkeypatch.setattr(jobs, "OUTBOX", tmp_path / "outbox")
    monkeypatch.setattr(jobs, "MENDED", tmp_path / "mended")
    as_attempt(1)
    yield
    set_current(None)


def as_attempt(number: int) -> None:
    set_current(
        lambda: CurrentJob("j1", "trials", number, number, lambda: None, lambda: False)  # type: ignore[arg-type, return-value]
    )


@pytest.mark.usefixtures("attempt")
def test_an_email_lies_in_the_outbox_once_however_often_it_is_sent(tmp_path: Path) -> None:
    for _ in range(2):
        jobs.SendEmail("ada@example.com", "Grüße", "Hello").execute()

    [file] = (tmp_path / "outbox").iterdir()
    mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert (mail["To"], mail["Subject"]) == ("ada@example.com", "Grüße")


@pytest.mark.usefixtures("attempt")
def test_the_flaky_job_fails_twice_and_then_succeeds() -> None:
    job = jobs.FailTwice()
    for number in (1, 2):
        as_attempt(number)
        with pytest.raises(ConnectionError):
            job.execute()
    as_attempt(3)
    job.execute()


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ("segfault", -signal.SIGSEGV),
        ("abort", -signal.SIGABRT),
        ("kill", -signal.SIGKILL),
        ("exit", 3),
    ],
)
def test_the_crash_job_takes_its_process_with_it(how: str, status: int, tmp_path: Path) -> None:
    code = f"from examples import jobs; jobs.MENDED = jobs.Path({str(tmp_path / 'no')!r}); "
    code += "import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); "
    code += f"jobs.CrashOnPurpose({how!r}).execute()"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=120)
    assert ended.returncode == status, ended.stderr.decode()


@pytest.mark.usefixtures("attempt")
def test_the_crash_job_succeeds_once_it_is_mended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mended").touch()
    jobs.CrashOnPurpose().execute()
    assert "mended" in capsys.readouterr().out
