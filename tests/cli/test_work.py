"""``horus work``: one runner in a terminal."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from horus_supervisor.lifecycle import JobState
from tests.support.horus import COMMAND, Horus, Scene, environment
from tests.support.service import ROOT


def test_work_runs_what_waits_and_leaves(scene: Scene, redis_url: str, tmp_path: Path) -> None:
    jobs = ROOT / "tests" / "service" / "apps"
    (tmp_path / "config.toml").write_text(
        f'[redis]\nurl = "{redis_url}"\nnamespace = "{scene.namespace}"\n'
        f'[supervisor]\nimports = ["testjobs"]\npath = ["{jobs}"]\n[queues]\nq = 1\n'
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

    job_id = run("enqueue", "testjobs.Quick", "--args", f'{{"path": "{tmp_path}/mark"}}').strip()
    assert json.loads(run("work", "--until-empty", "--json")) == {
        "schema": 1,
        "work": {"executed": 1},
    }
    assert scene.state(job_id) is JobState.SUCCEEDED
    assert (tmp_path / "mark").exists()


@pytest.mark.parametrize("words", [["-q", "a b"], ["--import", "nomodule_of_mine", "-q", "q"], []])
def test_work_refuses_what_it_can_not_do(horus: Horus, words: list[str]) -> None:
    horus("work", *words, code=2)
