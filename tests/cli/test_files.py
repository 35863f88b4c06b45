"""The file in use: what a mistake in it stops and what not, and how hints name it."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from horus_supervisor.config.load import load, load_redis
from horus_supervisor.errors import ConfigError
from horus_supervisor.lifecycle import JobState
from tests.support.files import refuse_looks
from tests.support.horus import Horus, Scene

MISTAKES = """
[qeues]
emails = 1
[groups.mixed]
queues = { a = 1 }
runners = -1
"""
UNCLOSED = "[groups.mixed]\nqueues = { a = 1\n"


@pytest.fixture
def file(tmp_path: Path, redis_url: str, namespace: str) -> Path:
    file = tmp_path / "my service.toml"
    file.write_text(f'[redis]\nurl = "{redis_url}"\nnamespace = "{namespace}"\n')
    return file


def add(file: Path, text: str) -> str:
    file.write_text(file.read_text() + text)
    return str(file)


@pytest.mark.parametrize(("text", "number"), [(MISTAKES, "2 mistakes"), (UNCLOSED, "1 mistake")])
def test_mistakes_elsewhere_than_in_redis_blind_no_verb_that_needs_only_that(
    scene: Scene, file: Path, text: str, number: str
) -> None:
    where = ("-c", add(file, text))
    scene.fall("d", 1)
    scene.add("a")
    for words in (["status"], ["jobs"], ["dead"], ["show", "a"], ["crashes"], ["retry", "d"]):
        result = Horus.bare(*where, *words)
        [said] = result.stderr.splitlines()
        assert number in said
        assert said.endswith(f"try: horus-supervisor -c '{file}' --check")
    assert scene.state("d") is JobState.READY
    assert Horus.bare(*where, "jobs", "--json").stderr == ""


def test_verbs_that_need_all_of_a_file_tell_its_mistakes(scene: Scene, file: Path) -> None:
    where = ("-c", add(file, MISTAKES))
    for words in (["work"], ["enqueue", "a.B", "--queue", "q"], ["run", "a"]):
        told = Horus.bare(*where, *words, code=2).stderr
        assert "qeues" in told
        assert "-1" in told
    found = json.loads(Horus.bare(*where, "doctor", "--json", code=1).stdout)["findings"]
    assert (found[0]["level"], found[0]["check"]) == ("error", "file")
    assert "persistence" in {one["check"] for one in found}, "Redis was looked at all the same"
    for line in Horus.bare(*where, "doctor", code=1).stdout.splitlines()[:-1]:
        assert len(line) <= 80 or "try: " in line


@pytest.mark.parametrize(
    "text",
    [
        "namspace = 'x'\n[queues]\nemails = 1\n",
        "[supervisor]\nnamespace = 'x'\n",
        "[log]\nnamespace = 'x'\n",
        "[reddis]\nnamespace = 'x'\n",
        "db = \n[queues]\nemails = 1\n",
    ],
)
def test_a_mistake_that_may_concern_where_the_jobs_are_stops_every_verb(
    file: Path, text: str
) -> None:
    assert "my service.toml:" in Horus.bare("-c", add(file, text), "jobs", code=2).stderr


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ("", 5, "can't reach Redis at unix:/nowhere ({pipe}): no such file"),
        ("[log]\nlevel = 5\n", 2, "{pipe}:4: log.level = 5: allowed is"),
    ],
)
def test_a_file_that_can_be_read_only_once_is_read_once(
    tmp_path: Path, text: str, code: int, told: str
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    text = f'[redis]\nurl = "unix:///nowhere"\n{text}'
    threading.Thread(target=pipe.write_text, args=(text,), daemon=True).start()
    said = Horus.bare("-c", str(pipe), "jobs", code=code).stderr
    assert told.format(pipe=pipe) in said


def test_a_file_that_breaks_off_before_its_redis_is_refused(file: Path) -> None:
    file.write_text(UNCLOSED + file.read_text())
    with pytest.raises(ConfigError) as refused:
        load(file)
    with pytest.raises(ConfigError, match="not TOML"):
        load_redis(file, refused.value)


def test_where_redis_is_may_be_said_behind_the_verb_too(scene: Scene, file: Path) -> None:
    scene.add("a")
    url = file.read_text().split('"')[1]
    at_url = ("--url", url, "--namespace", scene.namespace)
    for words in (["-c", str(file)], ["--config", str(file)], at_url):
        assert "Mail" in Horus.bare("jobs", *words).stdout
    assert "one of them" in Horus.bare("-c", str(file), "jobs", "--url", url, code=2).stderr


@pytest.mark.parametrize(("words", "hint"), [("show nix", "jobs"), ("crash nix", "crashes")])
def test_hints_name_the_file_in_use(file: Path, words: str, hint: str) -> None:
    told = Horus.bare("-c", str(file), *words.split(), code=4).stderr
    assert f"  try: horus -c '{file}' {hint}\n" in told


def test_the_doctor_names_the_file_in_what_to_type(scene: Scene, file: Path) -> None:
    Horus.bare("-c", add(file, "[queues]\nemails = 1\n"), "pause", "emails")
    text = Horus.bare("-c", str(file), "doctor").stdout
    assert f"try: horus-supervisor -c '{file}'\n" in text
    assert f"try: horus -c '{file}' resume emails\n" in text
    assert text.splitlines()[-1] == f"Next: horus -c '{file}' status"


def test_a_file_that_is_not_there_is_told_with_who_named_it(tmp_path: Path) -> None:
    name = str(tmp_path / "none.toml")
    for words, env, who in ((("-c", name), {}, "-c"), ((), {"HORUS_CONFIG": name}, "HORUS_CONFIG")):
        told = Horus.bare(*words, "jobs", code=2, **env).stderr
        assert told.startswith(f"horus: {name} ({who}): there is no such file\n")
        assert "--check" not in told


def test_a_file_that_we_may_not_look_for_is_told_as_one_that_can_not_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = str(tmp_path / "closed" / "c.toml")
    refuse_looks(tmp_path / "closed", monkeypatch)
    why = f"{name}: can't be read: Permission denied"
    assert Horus.bare("-c", name, "jobs", code=2).stderr.startswith(f"horus: {why}\n")
    [found] = json.loads(Horus.bare("-c", name, "doctor", "--json", code=1).stdout)["findings"]
    assert found["what"] == why


def test_no_service_behind_an_embedded_redis_names_the_file_to_start(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text('[redis]\nurl = "embedded:var"\n')
    told = Horus.bare("-c", str(file), "jobs", code=5).stderr.splitlines()
    assert told == [
        f"horus: no service runs behind embedded:{tmp_path / 'var'} ({file}:2)",
        f"  try: horus-supervisor -c {file}",
    ]
