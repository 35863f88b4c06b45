"""``horus work``: one runner in a terminal."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from horus_supervisor.config.load import parse
from horus_supervisor.lifecycle import JobState
from horus_supervisor.messages import Identity
from horus_supervisor.runner import foreground
from tests.support.horus import COMMAND, Horus, Scene, environment
from tests.support.service import ROOT

Work = Callable[..., str]


@pytest.fixture
def run(scene: Scene, redis_url: str, tmp_path: Path) -> Work:
    """``horus`` in a folder with a file: its words in, its output back."""
    jobs = ROOT / "tests" / "service" / "apps"
    (tmp_path / "config.toml").write_text(
        f'[redis]\nurl = "{redis_url}"\nnamespace = "{scene.namespace}"\n'
        f'[supervisor]\nimports = ["testjobs"]\npath = ["{jobs}"]\nmax_payload = "300KiB"\n'
        '[defaults]\njob_timeout = "1h"\n'
        '[groups.g]\nqueues = ["q"]\njob_timeout = "100ms"\nunknown_job_after = "0s"\n'
    )

    def run(*words: str) -> str:
        done = subprocess.run(
            [*COMMAND, *words],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_work_runs_what_waits_and_leaves(run: Work, scene: Scene, tmp_path: Path) -> None:
    job_id = run("enqueue", "testjobs.Quick", "--args", f'{{"path": "{tmp_path}/mark"}}').strip()
    assert json.loads(run("work", "--until-empty", "--json")) == {
        "schema": 1,
        "work": {"executed": 1},
    }
    assert scene.state(job_id) is JobState.SUCCEEDED
    assert (tmp_path / "mark").exists()


def test_work_keeps_to_the_limits_of_the_file(run: Work, scene: Scene, tmp_path: Path) -> None:
    payloads = {"late": {"path": str(tmp_path / "ran")}, "large": {"text": "x" * 270 * 1024}}
    for job_id, name in (("late", "testjobs.Hang"), ("large", "testjobs.Quick")):
        payload = json.dumps(payloads[job_id]).encode()
        scene.add(job_id, queue="q", name=name, payload=payload, max_attempts=1)
    scene.add("unknown", queue="q", name="elsewhere.Job")
    run("work", "-q", "q", "--until-empty")
    [note] = scene.found("late").history
    assert "JobTimeout" in note.facts["error_type"]
    assert scene.state("unknown") is JobState.DEAD
    assert scene.state("large") is JobState.SUCCEEDED


def test_a_claim_in_the_foreground_is_settled_by_the_limits_of_the_file() -> None:
    config = parse(
        '[defaults]\nmax_crashes = 7\n[queues]\na = 1\n[groups.g]\nqueues = ["b", "c"]\n'
        'max_crashes = 1\ncrash_delay = "2s"\njob_timeout = "3s"\nunknown_job_after = "4s"\n',
        Path("config.toml"),
    )

    def limits(*queues: str) -> tuple[object, ...]:
        identity = Identity(service="s", host="h", supervisor="x", level="info")
        spec = foreground.spec(identity, queues, config.limits_for(queues))
        times = spec.job_timeout_s, spec.crash_delay_s, spec.unknown_job_after_s
        return spec.max_crashes, *times

    assert limits("b") == limits("c", "b") == (1, 3.0, 2.0, 4.0)
    assert limits("a") == limits("a", "b") == limits("other") == (7, 600.0, 15.0, 3600.0)


def test_work_exits_with_5_where_redis_is_away(tmp_path: Path) -> None:
    away = Horus(f"unix://{tmp_path}/none.sock", "n")
    assert "no such file" in away("work", "-q", "q", code=5).stderr
    unserved = Horus(f"embedded:{tmp_path / 'var'}", "n")
    assert "horus-supervisor -c" in unserved("work", "-q", "q", code=5).stderr


@pytest.mark.parametrize("words", [["-q", "a b"], ["--import", "nomodule_of_mine", "-q", "q"], []])
def test_work_refuses_what_it_can_not_do(horus: Horus, words: list[str]) -> None:
    horus("work", *words, code=2)
