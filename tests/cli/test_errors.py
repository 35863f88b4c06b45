"""``horus`` where something is wrong: what it says, how it exits; and what it costs to start."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from horus_supervisor.address import parse_url
from horus_supervisor.cli import wiring
from horus_supervisor.cli.errors import in_words
from horus_supervisor.cli.main import VERBS
from horus_supervisor.cli.place import Place
from horus_supervisor.errors import (
    EnqueueUnknown,
    HorusError,
    PayloadError,
    QueueFull,
    RedisRefused,
    ReplyLost,
    ServiceNotRunning,
)
from tests.support.horus import COMMAND, Horus, Scene, environment
from tests.support.processes import Bounded
from tests.support.proxy import Fault, Proxy
from tests.support.redis_server import RedisServer
from tests.support.store import HOUR_MS
from tests.support.terminal import in_terminal
from tests.support.waiting import wait_until

QUESTIONS = ("status", "jobs", "crashes", "dead")
ACTS = (["retry"], ["discard", "--yes"])


# --- Redis away ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [*([verb] for verb in QUESTIONS), ["pause", "q"], ["enqueue", "a.B", "--queue", "q"]]
)
def test_redis_away_exits_with_5_and_says_where(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "TIMEOUT_S", 0.2)
    url = f"unix://:secret@{tmp_path}/none.sock"
    result = Horus(url, "n")(*words, code=5)
    first, hint = result.stderr.splitlines()[-2:]
    assert first == f"horus: can't reach Redis at unix:{tmp_path}/none.sock (--url): no such file"
    assert hint.endswith(" doctor")
    assert "secret" not in result.output
    error = Horus(url, "n").failure("jobs", code=5)
    assert (error["kind"], error["message"]) == ("RedisAway", first.removeprefix("horus: "))


def test_no_service_behind_an_embedded_url_exits_with_5(tmp_path: Path) -> None:
    result = Horus(f"embedded:{tmp_path / 'var'}", "n")("jobs", code=5)
    assert "horus-supervisor -c" in result.stderr


def test_a_file_is_named_with_the_line_of_its_url(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[log]\n\n[redis]\nurl = "redis://127.0.0.1:1/0"\n')
    result = Horus.bare("-c", str(file), "jobs", code=5)
    assert result.stderr.startswith(
        f"horus: can't reach Redis at 127.0.0.1:1 ({file}:4): refused\n"
    )


def test_wrong_credentials_exit_with_1(redis_server: RedisServer) -> None:
    result = Horus(f"unix://:hunter2@{redis_server.path}", "n")("jobs", code=1)
    assert "check user and password" in result.stderr
    assert "hunter2" not in result.output


@pytest.mark.parametrize(
    ("error", "code", "hint"),
    [
        (EnqueueUnknown("lost", ("order-1",)), 5, "the same command with --id order-1: rep"),
        (ReplyLost("lost"), 5, "the same command again: repeating is safe"),
        (QueueFull("full"), 1, "raise Redis's maxmemory"),
        (RedisRefused("no"), 1, "horus doctor"),
        (ServiceNotRunning("nobody"), 5, ""),
        (PayloadError("too large"), 2, ""),
    ],
)
def test_what_a_call_came_to_is_told_by_the_exit_status(
    error: HorusError, code: int, hint: str
) -> None:
    place = Place(parse_url("redis://r1"), "n", lambda: "--url", None, "horus")
    failure = in_words(error, place)
    assert (failure.code, failure.kind) == (code, type(error).__name__)
    assert failure.hint.startswith(hint)
    assert bool(failure.hint) is bool(hint)


# --- where Redis is --------------------------------------------------------------------------


def test_without_a_word_environment_and_folder_are_asked(
    scene: Scene, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ids(*words: str, **env: str | None) -> list[str]:
        told = json.loads(Horus.bare(*words, "jobs", "--json", code=0, **env).stdout)
        return [row["job_id"] for row in told["jobs"]]

    scene.add("a")
    text = f'[redis]\nurl = "{redis_url}"\nnamespace = "{scene.namespace}"\n'
    (tmp_path / "config.toml").write_text(text)
    (tmp_path / "else").mkdir()
    monkeypatch.chdir(tmp_path / "else")
    assert "config.toml" in Horus.bare("jobs", code=2).stderr
    assert ids(HORUS_CONFIG="../config.toml") == ["a"]
    assert ids("--namespace", scene.namespace, HORUS_URL=redis_url) == ["a"]
    nowhere = "unix:///nowhere"
    assert ids(HORUS_CONFIG="../config.toml", HORUS_URL=nowhere) == ["a"]
    assert ids("-c", "../config.toml", HORUS_URL=nowhere) == ["a"]
    words = ("--namespace", scene.namespace)
    assert ids(*words, HORUS_CONFIG="", HORUS_URL=redis_url) == ["a"], "as if it were not set"
    monkeypatch.chdir(tmp_path)
    assert ids() == ["a"]
    Horus.bare("jobs", code=5, HORUS_URL=nowhere)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-c", "x.toml", "--url", "redis://h", "jobs"], "one of them"),
        (["-c", "x.toml", "jobs"], "x.toml"),
        (["-c", "x.toml", "--namespace", "n", "jobs"], "--namespace"),
        (["--url", "http://h", "jobs"], "horus: --url: a Redis URL begins with redis://"),
        (["--url", "redis://h", "--namespace", "a b", "jobs"], "--namespace"),
        (["statsu"], "horus status"),
        (["jobs", "--quiet"], "--quiet"),
        (["show"], "ID"),
        (["jobs", "--limit", "x"], "'x' is not a valid whole number"),
        (["jobs", "--limit", "99999999999999999999"], "1000000"),
        (["jobs", "emails"], "horus jobs --queue emails"),
        (["work", "emails"], "horus work --queue emails"),
        (["enqueue", "a.B", "to=x"], "--args '{"),
        (["jobs", "--queue"], "horus jobs --help"),
        (["-c", "", "jobs"], "--config is empty"),
        (["jobs", "--url", ""], "--url is empty"),
        (["--url", "redis://h", "--namespace", "", "jobs"], "--namespace is empty"),
    ],
)
def test_a_slip_of_the_finger_exits_with_2(words: list[str], told: str) -> None:
    result = Horus.bare(*words, code=2)
    assert result.stderr.startswith("horus: ")
    assert told in result.stderr
    assert result.stdout == ""
    error = json.loads(Horus.bare(*words, "--json", code=2).stderr)["error"]
    assert error["code"] == 2


def test_every_mistake_of_a_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text("[redsi]\n[queues]\nemails = -1\n")
    lines = Horus.bare("-c", str(file), "jobs", code=2).stderr.splitlines()
    assert [line.split(": ")[1] for line in lines[:2]] == [f"{file}:1", f"{file}:3"]
    assert lines[-1].startswith("  try: ")


# --- as a process ----------------------------------------------------------------------------


def test_a_word_that_is_no_text_exits_with_2(horus: Horus) -> None:
    assert "'\\udcff' is no UTF-8" in horus("show", "\udcff", code=2).stderr


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("status >&-", 0, ""),
        ("show nope 2>&-", 4, ""),
        ("discard --all <&-", 2, "horus: discard asks first, and here is no terminal to answer"),
    ],
)
def test_a_stream_that_is_closed_is_no_reason_to_fail(
    horus: Horus, line: str, code: int, said: str
) -> None:
    command = f"exec {shlex.join([*COMMAND, *horus.where])} {line}"
    ran = subprocess.run(
        ["sh", "-c", command], env=environment(), capture_output=True, text=True, timeout=60
    )
    assert (ran.returncode, ran.stdout, ran.stderr.partition("\n")[0]) == (code, "", said)


def test_what_the_encoding_of_a_terminal_lacks_is_spelled_out(horus: Horus, scene: Scene) -> None:
    scene.add("a", payload='{"to": "\u20ac"}'.encode())
    _, text = in_terminal(*horus.where, "show", "a", PYTHONIOENCODING="latin-1")
    assert '"\\u20ac"' in text


@pytest.mark.parametrize(("more", "told"), [([], "horus: interrupted"), (["--json"], '{"schema":')])
def test_ctrl_c_exits_with_130(
    redis_server: RedisServer, tmp_path: Path, more: list[str], told: str
) -> None:
    with Proxy(tmp_path, redis_server.path) as proxy:
        proxy.next(Fault.BLACKHOLE)
        command = [*COMMAND, "--url", proxy.url, "jobs", *more]
        with Bounded[bytes](command, env=environment(), stderr=subprocess.PIPE) as process:
            wait_until(lambda: proxy.struck, "horus waits for an answer")
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert said.decode().strip().startswith(told)


def test_colour_is_for_terminals_without_no_color(horus: Horus, scene: Scene) -> None:
    scene.add("a")
    assert "\x1b[" not in horus("status").stdout
    code, text = in_terminal(*horus.where, "status")
    assert (code, "\x1b[31m" in text) == (0, True)
    _, plain = in_terminal(*horus.where, "status", NO_COLOR="1")
    assert "\x1b" not in plain


# --- exit statuses ---------------------------------------------------------------------------

BAD = ("--queue", "a b")
QUEUE_ACTS = (["pause"], ["resume"], ["purge", "--yes"])


@pytest.mark.parametrize(
    ("code", "words"),
    [
        *((0, [verb, name, *more]) for verb, *more in ACTS for name in ("order-d", "order-s")),
        *((0, ["discard", name, "--yes"]) for name in ("order-w", "order-x")),
        *((1, [verb, name, *more]) for verb, *more in ACTS for name in ("order-r", "order-o")),
        *((1, ["retry", name]) for name in ("order-w", "order-x")),
        *((1, [verb, "nix", "order-r", *more]) for verb, *more in ACTS),
        *((2, [verb, "order", *more]) for verb, *more in ACTS),
        *((4, [verb, "nix", *more]) for verb, *more in ACTS),
        *((4, [verb, "nix", "order-d", *more]) for verb, *more in ACTS),
        *((2, [verb, *BAD, *more]) for verb, *more in (*ACTS, ["jobs"], ["dead"])),
        *((2, [verb, "--all", *BAD, *more]) for verb, *more in ACTS),
        (2, ["work", *BAD]),
        (2, ["enqueue", "a.B", *BAD]),
        (2, ["enqueue", "a.B", "--queue", "q", "--args", "{"]),
        (2, ["show", "order"]),
        *((0, [verb, "other", *more]) for verb, *more in QUEUE_ACTS),
        *((2, [verb, "a b", *more]) for verb, *more in QUEUE_ACTS),
        *((4, [verb, "nix", *more]) for verb, *more in QUEUE_ACTS),
        (2, ["purge", "other"]),
        *((1, ["run", name]) for name in ("order-r", "order-w", "order-s", "order-o")),
        (4, ["run", "nix"]),
        (2, ["run", "order-d"]),
        (2, ["status", "--watch", "--check"]),
        (2, ["status", "--watch=2"]),
        (2, ["completion", "tcsh"]),
        (3, ["status", "--check"]),
        (0, ["status"]),
        (0, ["show", "order-o"]),
        (4, ["show", "nix"]),
        (4, ["crash", "nix"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_the_exit_status_says_how_it_went(
    horus: Horus, scene: Scene, code: int, words: list[str]
) -> None:
    """A job of each state is there, its id one letter longer than what is typed."""
    scene.fall("order-d1", 1)
    scene.start("order-r1", 2)
    slot = scene.start("order-o1", 3, queue="other")
    scene.run(scene.finish(slot, queues=()))
    slot = scene.start("order-x1", 4, queue="other")
    scene.run(scene.finish(slot, 2, "discarded", queues=()))
    scene.add("order-s1", delay_ms=HOUR_MS)
    scene.add("order-w1")
    result = horus(*words, code=code)
    assert (result.stderr != "") == (code not in (0, 3))


@pytest.mark.parametrize(
    ("words", "absent"),
    [
        ("--help", "redis hiredis rich msgspec psutil structlog"),
        ("--version", "redis hiredis rich msgspec psutil structlog"),
        ("status", "redis rich psutil structlog"),
        ("jobs", "redis rich psutil structlog"),
        ("enqueue a.B --queue q", "redis rich psutil structlog"),
        ("retry --all", "redis rich psutil structlog"),
        ("doctor", "redis rich psutil structlog"),
        ("completion bash", "redis hiredis rich msgspec psutil structlog"),
    ],
)
def test_a_verb_imports_only_what_it_needs(
    redis_url: str, namespace: str, words: str, absent: str
) -> None:
    """Redis's client would cost a question 0.1 s, more than all the rest of it."""
    code = (
        "import sys, atexit\n"
        f"atexit.register(lambda: print([m for m in {absent.split()!r} if m in sys.modules]))\n"
        "from horus_supervisor.cli.main import main\n"
        f"main(['--url', {redis_url!r}, '--namespace', {namespace!r}, *{words.split()!r}])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["[]"])


def test_help_names_every_verb() -> None:
    text = Horus.bare("--help").stdout
    for verb in VERBS:
        assert f"\n  {verb} " in text
        told = Horus.bare(verb, "--help").stdout
        assert told.startswith(f"Usage: horus {verb}")
        assert re.search(rf"\n  Examples?:\s.*horus.* {verb}\b", told, re.DOTALL)
        assert "--json" in told
        assert [line for line in told.splitlines() if len(line) > 80] == []
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert Horus.bare(code=2).stderr == text
