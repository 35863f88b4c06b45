"""What a shell offers behind Tab: asked as its script asks, and once by bash's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.horus import Horus, Scene, environment
from tests.support.redis_server import RedisServer
from tests.support.store import HOUR_MS

Offered = Callable[..., set[str]]


@pytest.fixture
def offered(horus: Horus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Offered:
    """What is offered after these words, the last one being typed just now."""
    monkeypatch.chdir(tmp_path)

    def offered(*words: str, where: list[str] = horus.where) -> set[str]:
        line = ["horus", *where, *words]
        done = Horus.bare(
            _HORUS_COMPLETE="zsh_complete",
            COMP_WORDS="\n".join(line if words[-1] else line[:-1]),
            COMP_CWORD=str(len(line) - 1),
        )
        assert done.stderr == ""
        return set(done.stdout.splitlines()[1::3])

    return offered


def test_verbs_and_options_are_offered(offered: Offered) -> None:
    assert offered("pa") == {"pause"}
    assert {"status", "doctor", "run", "completion"} <= offered("")
    assert "--dry-run" in offered("retry", "--")
    assert offered("jobs", "--state", "s") == {"scheduled", "succeeded"}
    assert offered("completion", "") == {"bash", "zsh", "fish"}


def test_queues_and_ids_are_asked_of_redis(offered: Offered, scene: Scene, horus: Horus) -> None:
    scene.fall("order-d", 1)
    scene.kill("order-k", 2, queue="reports")
    scene.add("other-s", delay_ms=HOUR_MS, queue="bulk")
    assert offered("pause", "") == {"emails", "reports", "bulk"}
    for words in (("jobs", "--queue"), ("work", "-q"), ("enqueue", "a.B", "--queue"), ("purge",)):
        assert offered(*words, "r") == {"reports"}
    for verb in ("retry", "discard", "show", "run"):
        assert offered(verb, "or") == {"order-d", "order-k"}
    [record] = horus.json("crashes")["crashes"]
    assert offered("crash", record["crash_id"][:3]) == {record["crash_id"]}
    scene.hold()
    assert offered("resume", "--job", "") == {"shop.Mail"}


def test_files_are_offered_where_a_file_is_named(offered: Offered) -> None:
    for words in (["-c", "conf"], ["status", "--config", "conf"]):
        assert offered(*words, where=[]) == {"conf"}  # what a shell completes as a path


def test_a_redis_that_hangs_or_is_away_is_not_waited_for(
    offered: Offered, own_redis: RedisServer, tmp_path: Path
) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f'[redis]\nurl = "{own_redis.url}"\n[queues]\nfiled = 1\n')
    own_redis.pause()
    began = time.monotonic()
    assert offered("pause", "", where=["-c", str(file)]) == {"filed"}
    hanging_s = time.monotonic() - began
    own_redis.kill()
    began = time.monotonic()
    assert offered("retry", "", where=["-c", str(file)]) == set()
    away_s = time.monotonic() - began
    assert hanging_s < away_s + 4  # a call's own timeout is 5 s
    assert offered("pause", "", where=["-c", str(tmp_path / "none.toml")]) == set()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_its_shell_reads(horus: Horus, tmp_path: Path, shell: str) -> None:
    script = Horus.bare("completion", shell).stdout
    assert f"_HORUS_COMPLETE={shell}_complete" in script
    assert horus.json("completion", shell)["completion"] == {
        "shell": shell,
        "script": script.removesuffix("\n"),
    }
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    (tmp_path / "script").write_text(script)
    subprocess.run([shell, "-n", str(tmp_path / "script")], check=True, timeout=120)


def test_bash_completes_by_the_script(scene: Scene, horus: Horus, tmp_path: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("there is no bash here")
    scene.add("a", queue="reports")
    code = f'exec {sys.executable} -m horus_supervisor.cli.main "$@"'
    (tmp_path / "horus").write_text(f"#!/bin/sh\n{code}\n")
    (tmp_path / "horus").chmod(0o755)
    typed = (
        'eval "$(horus completion bash)"; COMP_WORDS=(horus pause re); COMP_CWORD=2; '
        '_horus_completion horus; echo "${COMPREPLY[@]}"'
    )
    env = environment(PATH=f"{tmp_path}:{os.environ['PATH']}", HORUS_URL=horus.where[1])
    done = subprocess.run(
        ["bash", "-c", typed], env=env, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "\n"  # the default namespace has no such queue
    typed = typed.replace("horus pause re", f"horus --namespace {scene.namespace} pause re")
    done = subprocess.run(
        ["bash", "-c", typed.replace("COMP_CWORD=2", "COMP_CWORD=4")],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout == "reports\n"
