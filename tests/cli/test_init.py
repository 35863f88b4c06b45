"""``horus init``: two files that run at once, and never over somebody's own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from horus_supervisor.cli.init import FIRST
from horus_supervisor.config import keys
from horus_supervisor.config.load import load
from tests.support.horus import Horus

BIN = Path(sys.executable).parent


@contextlib.contextmanager
def typed(line: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Type a line in a folder, as a shell would read it; it is ended whatever happens."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith("HORUS_")}
    with subprocess.Popen(
        ["sh", "-c", line.replace("&& ", "&& exec ") if "&&" in line else f"exec {line}"],
        cwd=folder,
        env={**kept, "PATH": f"{BIN}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(60)


def test_what_it_says_to_type_next_runs_a_job(tmp_path: Path) -> None:
    with typed("horus init 'my jobs'", tmp_path) as init:
        assert init.stdout
        said = init.stdout.read().splitlines()
    assert said[0] == "wrote my jobs/config.toml and my jobs/jobs.py"
    service = said[1].removeprefix("Next: ")
    job = said[2].removeprefix("and in another terminal: ")
    log: list[str] = []
    with typed(service, tmp_path) as running:
        assert running.stdout
        for line in running.stdout:  # ends with the service, at the latest
            log.append(line)
            if "supervisor.ready" in line:
                with typed(job, tmp_path) as enqueue:
                    assert enqueue.wait(60) == 0
            if "Hello, Ada!" in line:
                break
        running.send_signal(signal.SIGTERM)
        running.stdout.read()
        assert running.wait(60) == 0
    assert any("Hello, Ada!" in line for line in log), "".join(log)


def test_the_files_of_a_first_service_are_in_order(tmp_path: Path) -> None:
    Horus.bare("init", str(tmp_path))
    config = load(tmp_path / "config.toml")
    assert config.supervisor.imports == ("jobs",)
    assert [(group.name, group.runners) for group in config.groups] == [("default", 2)]


def test_the_first_file_has_every_key_and_its_commented_values_are_the_defaults() -> None:
    text = (FIRST / "config.toml").read_text()
    defaults = {key.name: key.default for known in keys.TABLES.values() for key in known}
    assert all(re.search(rf"\b{name} = ", text) for name in defaults)
    table = ""
    for line in text.splitlines():
        if found := re.match(r"(?:# )?\[(.+?)\]", line):
            table = found[1]
        if (found := re.match(r"# (\w+) = ([^#]+?) *#", line)) and table != "groups.mixed":
            default = defaults[found[1]]
            shown = str(default).replace("'", '"')
            assert default is None or found[2].strip('"') in (shown, shown.lower()), found[1]


@pytest.mark.parametrize("there", [["config.toml"], ["jobs.py"], ["config.toml", "jobs.py"]])
def test_nothing_is_overwritten(tmp_path: Path, there: list[str]) -> None:
    for name in there:
        (tmp_path / name).write_text("mine")
    result = Horus.bare("init", str(tmp_path), code=1)
    assert "there already: nothing was written" in result.stderr
    assert "try: horus init NEW_FOLDER" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == there
    assert {(tmp_path / name).read_text() for name in there} == {"mine"}


def test_a_link_that_leads_nowhere_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").symlink_to(tmp_path / "elsewhere.py")
    Horus.bare("init", str(tmp_path), code=1)
    assert [path.name for path in tmp_path.iterdir()] == ["jobs.py"]


def test_a_folder_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = Horus.bare("init", str(tmp_path / "file" / "below"), code=1)
    assert f"can't write {tmp_path}/file/below: Not a directory" in result.stderr


def test_an_environment_that_names_another_service_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = Horus.bare("init", "--json", HORUS_URL="redis://elsewhere")
    told = json.loads(result.stdout)["init"]
    assert told["files"] == ["config.toml", "jobs.py"]
    assert told["next"][0] == "horus-supervisor -c config.toml"
    assert told["next"][1].startswith("horus -c config.toml enqueue jobs.Hello ")
