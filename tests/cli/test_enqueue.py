"""``horus enqueue``: what it makes of arguments, what it refuses, and how it says so."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
from datetime import datetime
from pathlib import Path

import pytest

from horus_supervisor.address import parse_url
from horus_supervisor.job import definition
from horus_supervisor.lifecycle import JobState
from horus_supervisor.store.wire import Wire
from tests.support.horus import Horus, Scene

JOBS = """
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Literal, NewType
from uuid import UUID
from horus_supervisor import Job
print('imported')
class Mail(Job, queue='emails', name='cli.Mail'):
    to: str
    copies: int = 1
    tags: list[str] = field(default_factory=list)
    def execute(self) -> None: ...
class Every(Job, queue='emails', name='cli.Every'):
    many: list[str]
    when: datetime
    maybe: float | None
    odd: Literal['a', 'c'] = 'a'
    def execute(self) -> None: ...
Big = Enum('Big', {f'N{n}': f'value-{n}' for n in range(300)})
class Choose(Job, queue='emails', name='cli.Choose'):
    big: Big
    many: Literal[tuple(f'word-{n}' for n in range(300))]
    few: Literal[1, 'b'] = 1
    def execute(self) -> None: ...
@dataclass
class Place:
    name: str
    at: tuple[int, float]
    since: date
    inside: list['Place'] = field(default_factory=list)
Cents = NewType('Cents', int)
class Ship(Job, queue='emails', name='cli.Ship'):
    to: Place
    by: None | Place
    price: Decimal
    fee: Cents
    within: timedelta
    key: UUID
    label: bytes
    stops: set[str]
    path: tuple[str, ...]
    def execute(self) -> None: ...
"""

LARGE = json.dumps({"to": "x" * 2000})


@pytest.fixture
def file(tmp_path: Path, redis_url: str, namespace: str) -> Path:
    """A configuration that imports a module with job classes."""
    (tmp_path / "clijobs.py").write_text(JOBS)
    file = tmp_path / "horus.toml"
    file.write_text(
        f'[redis]\nurl = "{redis_url}"\nnamespace = "{namespace}"\n'
        '[supervisor]\nimports = ["clijobs"]\nmax_payload = "1KiB"\n[queues]\nemails = 1\n'
    )
    return file


def test_enqueue_prints_the_id_of_a_job_that_is_then_ready(
    horus: Horus, scene: Scene, file: Path
) -> None:
    result = horus.bare("-c", str(file), "enqueue", "cli.Mail", "--args", '{"to": "a@b"}')
    job = scene.found(result.stdout.strip()).job
    assert job is not None
    assert (job.queue, job.name) == ("emails", "cli.Mail")
    assert json.loads(job.payload)["to"] == "a@b"


def test_enqueue_marks_a_job_and_says_when_it_is_too_late(
    horus: Horus, scene: Scene, file: Path
) -> None:
    marks = ("--tag", "tenant:7", "--tag", "mail", "--expires", "1h", "--delay", "1m")
    for words in (("cli.Mail", "--args", '{"to": "a@b"}'), ("else.Job", "--queue", "q")):
        told = horus.bare("-c", str(file), "enqueue", *words, *marks)
        job = scene.found(told.stdout.strip()).job
        assert job is not None
        assert job.tags == ("tenant:7", "mail")
        assert job.expires_ms == job.enqueued_ms + 3_660_000


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["cli.Mail"], 'Mail.to (str) is missing\n  try: the same with --args \'{"to": '),
        (["cli.Mail", "--args", '{"to": 3}'], "Mail.to is str, not 3"),
        (["cli.Mail", "--args", '{"to": NaN}'], "not JSON"),
        (["cli.Mail", "--args", '{"copies": 2}'], """--args '{"copies": 2, "to": "text"}'"""),
        (["cli.Mail", "--args", '{"to": "a", "copies": "2"}'], 'Mail.copies is int, not "2"'),
        (["cli.Mail", "--args", '{"to": "a", "copy": 3}'], "did you mean copies?"),
        (["cli.Mail", "--args", "{to}"], "not JSON"),
        (["cli.Mail", "--args", "[1]"], "an object"),
        (["cli.Mail", "--args", "[" * 100_000], "not JSON"),
        (["cli.Mail", "--args", LARGE], "at most 1024 may travel"),
        (["a.B", "-q", "q", "--args", LARGE], "at most 1024 may travel"),
        (["cli.Mail", "--args", '{"to": "a"}', "--queue", "a b"], "queue"),
        (["cli.Mail", "--args", '{"to": "a"}', "--id", "a b"], "id"),
        (["cli.Mail", "--args", '{"to": "a"}', "--delay", "5"], '"5s"'),
        (["cli.Mail", "--args", '{"to": "a"}', "--at", "2030-01-01T00:00"], "has no zone: allowed"),
        (["cli.Mail", "--args", '{"to": "a"}', "--delay", "5s", "--at", "2030-01-01T00Z"], "one"),
        (["cli.Mail", "--args", '{"to": "a"}', "--tag", "a b"], "a tag is"),
        (["cli.Mail", "--args", '{"to": "a"}', "--expires", "0s"], "expires"),
        (["cli.Mial"], "horus.toml enqueue cli.Mail"),
        (["Mail"], "horus.toml enqueue cli.Mail"),
        (["elsewhere.Job"], "--queue"),
    ],
)
def test_enqueue_refuses_what_its_runner_would_refuse(
    horus: Horus, scene: Scene, file: Path, words: list[str], told: str
) -> None:
    result = horus.bare("-c", str(file), "enqueue", *words, code=2)
    assert result.stderr.startswith("horus: ") or "imported" in result.stderr
    assert told in result.stderr
    assert "\n  try: " in result.stderr
    assert result.stdout == ""
    assert scene.contents() == {}


@pytest.mark.parametrize("given", [{}, {"to": {"name": "x"}, "price": "1.x", "key": "k"}])
def test_what_to_type_is_right_for_nested_records_and_every_type_too(
    horus: Horus, scene: Scene, file: Path, given: dict[str, object]
) -> None:
    words = ("-c", str(file), "enqueue", "cli.Ship")
    refused = horus.bare(*words, "--args", json.dumps(given), code=2)
    [args] = re.findall(r"  try: the same with --args (.*)", refused.stderr)
    told = horus.bare(*words, "--args", *shlex.split(args))
    job = scene.found(told.stdout.strip()).job
    assert job is not None
    place = {"name": "text", "at": [1, 1.5], "since": "2026-08-24", "inside": []}
    assert json.loads(job.payload)["to"] == place


def test_every_mistake_in_the_arguments_is_told_and_what_to_type_instead_is_right(
    horus: Horus, file: Path
) -> None:
    words = ("-c", str(file), "enqueue", "cli.Every")
    refused = horus.bare(*words, "--args", '{"many": [1], "wen": 1, "odd": "b"}', code=2)
    told = [line for line in refused.stderr.splitlines() if line.startswith("horus: ")]
    fields = ["no field 'wen'", "many", "when", "maybe", "odd"]
    assert [word for line, word in zip(told, fields, strict=True) if word in line] == fields
    [args] = re.findall(r"  try: the same with --args (.*)", refused.stderr)
    horus.bare(*words, "--args", *shlex.split(args))


def test_a_choice_among_many_is_told_in_a_line_with_the_nearest(horus: Horus, file: Path) -> None:
    args = '{"big": "valu-77", "many": "x", "few": 2}'
    refused = horus.bare("-c", str(file), "enqueue", "cli.Choose", "--args", args, code=2)
    told = [line for line in refused.stderr.splitlines() if line.startswith("horus: ")]
    first = '"value-0", "value-1", "value-2", "value-3", "value-4" or 295 more'
    assert told[0] == f'horus: --args: Choose.big is {first}, not "valu-77"'
    assert '"word-4" or 295 more, not "x"' in told[1]
    assert told[2] == 'horus: --args: Choose.few is 1 or "b", not 2'
    assert """--args '{"big": "value-77", "many": "word-0", "few": 1}'""" in refused.stderr


def test_a_class_that_is_not_here_is_enqueued_unchecked_on_a_named_queue(
    horus: Horus, scene: Scene
) -> None:
    told = horus.json("enqueue", "elsewhere.Job", "--queue", "q", "--args", '{"n": 1}')
    assert told == {"job": {"job_id": told["job"]["job_id"], "created": True}}
    job = scene.found(told["job"]["job_id"]).job
    assert job is not None
    assert (job.name, job.payload) == ("elsewhere.Job", b'{"n": 1}')


def test_a_module_that_can_not_be_imported_leads_to_what_looks_where_the_service_does(
    horus: Horus, file: Path
) -> None:
    (file.parent / "cli_broken.py").write_text("import nowhere\n")
    file.write_text(file.read_text().replace("clijobs", "cli_broken"))
    told = horus.bare("-c", str(file), "enqueue", "cli.Mail", code=2).stderr
    assert "can't import cli_broken: ModuleNotFoundError: No module named 'nowhere'" in told
    assert told.endswith(f"  try: horus-supervisor -c {file} --check\n")


def test_an_id_that_is_known_changes_nothing_and_says_so(horus: Horus, scene: Scene) -> None:
    words = ("enqueue", "elsewhere.Job", "--queue", "q", "--id", "order-1")
    assert horus(*words).stdout == "order-1\n"
    before = scene.contents()
    assert horus.json(*words) == {"job": {"job_id": "order-1", "created": False}}
    assert "known already" in horus(*words).stderr
    assert scene.contents() == before


def test_delay_and_at_say_when(horus: Horus, scene: Scene) -> None:
    words = ("enqueue", "elsewhere.Job", "--queue", "q")
    horus(*words, "--id", "a", "--delay", "1h30m")
    horus(*words, "--id", "b", "--at", "2096-02-01T01:00:00+01:00")
    rows = {row["job_id"]: row for row in horus.json("jobs", "--state", "scheduled")["jobs"]}
    assert rows["b"]["due_at"] == "2096-02-01T00:00:00.000000Z"
    due, enqueued = (datetime.fromisoformat(rows["a"][key]) for key in ("due_at", "enqueued_at"))
    assert (due - enqueued).total_seconds() == 5400


def test_a_job_that_nobody_would_take_is_enqueued_and_that_is_said(
    horus: Horus, scene: Scene, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(queue: str, name: str = "shop.Mail") -> str:
        result = horus("enqueue", name, "--queue", queue)
        assert scene.state(result.stdout.strip()) is JobState.READY
        assert horus("enqueue", name, "--queue", queue, "--json").stderr.count("waits") == 0
        return "\n".join(line for line in result.stderr.splitlines() if "not checked" not in line)

    name = scene.namespace
    assert "no service runs: the job waits in emails" in said("emails")
    seat = {"runner": "emails/1", "slot": 0, "queues": ["emails"], "state": "idle", "pid": 7}
    scene.beat(name, groups={"emails": 1}, runners=[seat], jobs=["shop.Mail"])
    assert "no service runs" in said("emails"), "only its row is left"
    with contextlib.closing(Wire(parse_url(redis_url), name=f"horus:{name}:keeper")) as keeper:
        keeper.connect()
        assert said("emails") == ""
        horus("pause", "emails")
        paused, hint = said("emails").splitlines()
        assert paused == "horus: emails is paused: the job waits"
        assert hint.endswith("resume emails")
        horus("resume", "emails")
        unserved, hint = said("emials").splitlines()
        assert unserved == "horus: no runner serves emials: the job waits (served: emails)"
        assert hint.endswith("work -q emials")
        stranger, hint = said("emails", "shop.New").splitlines()
        assert stranger.endswith("no runner of emails imports shop.New: the job waits")
        assert "systemctl reload" in hint
        monkeypatch.setattr(definition, "_registry", {"shop.New": object})
        stranger, hint = said("emails", "New").splitlines()
        assert stranger.endswith("imports New (there is shop.New): the job waits")
        assert hint.endswith(" enqueue shop.New")
