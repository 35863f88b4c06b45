"""``horus run``: a dead job, alone in this terminal."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from horus_supervisor.lifecycle import JobState
from tests.support.horus import COMMAND, Horus, Scene, environment
from tests.support.terminal import in_terminal

JOBS = """
import os, select, signal, sys
from horus_supervisor import Discard, Job, current_job

class Good(Job, name="Good"):
    path: str = ""
    def execute(self):
        job = current_job()
        print("hello from", job.id, job.attempt, job.fence, job.previous.error_type)
        current_job().log.info("a line")

class Fresh(Job, name="Fresh"):
    def execute(self):
        print("before:", current_job().previous)

class Bad(Job, name="Bad"):
    def execute(self):
        print("so far", flush=True)
        raise ValueError("no such page")

class Never(Job, name="Never"):
    def execute(self):
        raise Discard("not needed")

class Crash(Job, name="Crash"):
    def execute(self):
        os.kill(os.getpid(), signal.SIGSEGV)

class Leave(Job, name="Leave"):
    def execute(self):
        os._exit(0)

class Stop(Job, name="Stop"):
    def execute(self):
        there = 42
        breakpoint()
        print("and on")

class Sleep(Job, name="Sleep"):
    def execute(self):
        print("sleeping", flush=True)
        while True:  # a signal that came just before a single wait would not end that
            select.select([], [], [], 0.1)
"""


OFFER = b"leave it? [leave]"
PDB = b"(Pdb) "


@pytest.fixture
def file(scene: Scene, redis_url: str, tmp_path: Path) -> Path:
    (tmp_path / "aloneapp.py").write_text(JOBS)
    file = tmp_path / "config.toml"
    file.write_text(
        f'[redis]\nurl = "{redis_url}"\nnamespace = "{scene.namespace}"\n'
        '[supervisor]\nimports = ["aloneapp"]\n[queues]\nemails = 1\n'
    )
    return file


def run(file: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "-c", str(file), "run", *words],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "code", "outcome", "facts"),
    [
        ("Good", 0, "succeeded", {"error_type": None}),
        ("Bad", 1, "failed", {"error_type": "ValueError", "error_message": "no such page"}),
        ("Never", 0, "discarded", {"error_message": "not needed"}),
        ("Crash", 1, "crashed", {"signal": "SIGSEGV"}),
        ("Leave", 1, "crashed", {"exit_code": 0}),
    ],
)
def test_a_dead_job_runs_alone_and_its_record_stays_as_it_is(
    scene: Scene, file: Path, name: str, code: int, outcome: str, facts: dict[str, object]
) -> None:
    scene.fall("dead-1", name=name, payload=b"{}")
    before = scene.contents()
    done = run(file, "dead", "--json")
    assert done.returncode == code, done.stderr
    told = json.loads(done.stdout)["run"]
    assert (told["job_id"], told["job"], told["outcome"]) == ("dead-1", name, outcome)
    assert {key: told[key] for key in facts} == facts
    assert scene.contents() == before
    assert outcome.upper() in run(file, "dead-1").stdout
    assert scene.contents() == before


def test_it_knows_itself_as_at_its_last_start_and_its_words_are_seen(
    scene: Scene, file: Path
) -> None:
    scene.fall("dead", name="Good", payload=b"{}")
    done = run(file, "dead")
    assert "hello from dead 1 1 ValueError\n" in done.stdout
    assert '"event":"a line"' in done.stderr
    assert "hello" in run(file, "dead", "--json").stderr
    crashed = run(file, "--import", "aloneapp", "dead")
    assert crashed.returncode == 0


def test_a_wait_for_a_runner_that_knows_its_class_is_no_attempt(scene: Scene, file: Path) -> None:
    slot = scene.start("dead", name="Fresh", payload=b"{}")
    scene.run(scene.fail(slot, what="deferred", wait_ms=0, queues=()))
    assert "before: None\n" in run(file, "dead").stdout


def test_what_it_raised_is_shown_from_its_own_code_on(scene: Scene, file: Path) -> None:
    scene.fall("dead", name="Bad", payload=b"{}")
    text = run(file, "dead").stdout
    assert text.index("so far") < text.index("aloneapp.py") < text.index("ValueError: no such page")
    assert "runner/execute.py" not in text


def test_a_crash_leaves_its_stack(scene: Scene, file: Path) -> None:
    scene.kill("dead", name="Crash", payload=b"{}")
    done = run(file, "dead")
    assert "Fatal Python error: Segmentation fault" in done.stderr
    assert done.stdout.startswith("CRASHED  SIGSEGV")


@pytest.mark.parametrize(
    ("answer", "state"),
    [(b"retry\n", JobState.READY), (b"d\n", JobState.DISCARDED), (b"\n", JobState.DEAD)],
)
def test_on_a_terminal_it_offers_to_retry_or_discard(
    scene: Scene, file: Path, answer: bytes, state: JobState
) -> None:
    scene.fall("dead", name="Good", payload=b"{}")
    words = ("-c", str(file), "run", "dead")
    code, text = in_terminal(*words, dialogue=[(OFFER, answer)])
    assert (code, scene.state("dead")) == (0, state), text


def test_a_debugger_has_the_terminal(scene: Scene, file: Path) -> None:
    scene.fall("dead", name="Stop", payload=b"{}")
    words = ("-c", str(file), "run", "dead")
    code, text = in_terminal(
        *words, dialogue=[(PDB, b"p there * 2\n"), (PDB, b"c\n"), (OFFER, b"\n")]
    )
    assert "84" in text
    assert "and on" in text
    assert code == 0


def test_ctrl_c_ends_the_job_and_not_the_word_about_it(scene: Scene, file: Path) -> None:
    scene.fall("dead", name="Sleep", payload=b"{}")
    words = ("-c", str(file), "run", "dead")
    code, text = in_terminal(*words, dialogue=[(b"sleeping", b"\x03"), (OFFER, b"\n")])
    assert "KeyboardInterrupt" in text
    assert "FAILED" in text
    assert (code, scene.state("dead")) == (1, JobState.DEAD)


def test_a_payload_that_makes_no_job_is_told(scene: Scene, file: Path) -> None:
    scene.fall("dead", name="Good", payload=b'{"path": 3}')
    done = run(file, "dead")
    assert done.returncode == 1
    assert re.match(r"PayloadError: Good: .*path.*\nFAILED  after ", done.stdout), done.stdout


def test_only_a_dead_job_whose_class_is_here_is_run(horus: Horus, scene: Scene, file: Path) -> None:
    scene.fall("dead", name="elsewhere.Job")
    scene.add("ready", name="Good")
    result = horus.bare("-c", str(file), "run", "ready", code=1)
    assert "only a dead job is run alone\n  try: " in result.stderr
    result = horus.bare("-c", str(file), "run", "dead", code=2)
    assert "--import MODULE" in result.stderr


def test_hooks_run_around_it(scene: Scene, file: Path) -> None:
    hooks = """
from horus_supervisor import on_runner_start, on_runner_stop

@on_runner_start
def open_pool():
    print("opened", flush=True)
    if os.path.exists("broken"):
        raise OSError("no route to the pool")

@on_runner_stop
def close_pool():
    print("closed", flush=True)
"""
    file.with_name("aloneapp.py").write_text(JOBS + hooks.replace('"broken"', f'"{file}.broken"'))
    scene.fall("j1", name="Never", payload=b"{}")
    ran = run(file, "j1")
    assert ran.stdout.index("opened") < ran.stdout.index("closed"), ran.stdout + ran.stderr
    file.with_name("config.toml.broken").touch()
    broken = run(file, "j1")
    assert broken.returncode == 1
    assert "OSError: no route to the pool" in broken.stderr
    assert "closed" not in broken.stdout
