"""Log lines: one JSON object each, whatever was said; and their form for a terminal."""

from __future__ import annotations

import json
import math
import os
import pty
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from horus_supervisor import logs
from horus_supervisor.events import SENTENCES, Event
from horus_supervisor.logs import MAX_LINE_BYTES, console_line
from horus_supervisor.messages import Identity
from horus_supervisor.runner.voice import Voice
from tests.support.patience import BUSY

BASE = {"service": "shop", "host": "h1", "supervisor": "abc", "pid": 7}


class Unspeakable:
    """Has neither a text nor a representation."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


def deep(levels: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


def circle() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


def lines_of(base: dict[str, Any] | None = None, level: str = "debug") -> tuple[Any, list[bytes]]:
    lines: list[bytes] = []
    return logs.bind(lines.append, BASE if base is None else base, level), lines


def say(event: Any, **fields: Any) -> dict[str, Any]:
    """Log one line; gives it read back, each name in it once."""
    log, lines = lines_of()
    log.info(event, **fields)
    [line] = lines
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert len(line) <= MAX_LINE_BYTES
    pairs: list[tuple[str, Any]] = json.loads(line, object_pairs_hook=list)
    assert len({name for name, _ in pairs}) == len(pairs)
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_line_has_the_head_the_base_and_its_own_fields() -> None:
    line = say(Event.RUNNER_STARTED, runner="q/1", queues="q")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["timestamp"])
    assert (line["level"], line["event"]) == ("info", "runner.started")
    assert line["message"] == "q/1 serves q"
    assert line.items() >= BASE.items()


def test_a_lines_own_fields_win_over_the_base() -> None:
    assert say("x", pid=8)["pid"] == 8


def test_a_line_below_the_level_is_not_made() -> None:
    log, lines = lines_of(level="warning")
    log.info("x")
    log.error("y")
    assert [json.loads(line)["event"] for line in lines] == ["y"]


def test_each_line_has_its_own_level_though_its_event_was_told_at_another() -> None:
    log, lines = lines_of()

    for level in ("info", "warning", "info"):
        getattr(log, level)(Event.SUPERVISOR_RELOADED, config="c.toml", changes="a 1 -> 2")

    assert [json.loads(line)["level"] for line in lines] == ["info", "warning", "info"]


@pytest.mark.parametrize("event", sorted(SENTENCES))
def test_an_event_without_its_fields_is_told_all_the_same(event: str) -> None:
    assert say(event)["event"] == event


def test_a_fields_braces_are_not_read_as_a_sentence() -> None:
    assert say("{pid.__class__} {0} {")["message"] == "{pid.__class__} {0} {"
    assert say(Event.TEMPLATE_FAILED, error="{host}")["error"] == "{host}"


def test_a_message_of_its_own_replaces_the_sentence() -> None:
    assert say(Event.RUNNER_STARTED, message="hello")["message"] == "hello"


def test_fields_named_like_the_head_are_kept_beside_it() -> None:
    line = say("x", level="mine", timestamp="then")
    assert (line["level"], line["level_"], line["timestamp_"]) == ("info", "mine", "then")


@pytest.mark.parametrize(
    "value",
    [
        "\ud800 alone",
        Unspeakable(),
        {"in": {"a": ["list", Unspeakable()]}},
        deep(100_000),
        circle(),
        2**80,
        math.nan,
        {(1, 2): 3},
        object(),
        {1, 2},
        b"\xff",
        ValueError("broken"),
        {"\ud800": 1},
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_that_json_can_not_say_costs_no_line(value: Any) -> None:
    line = say("x", value=value, other=1)
    assert "value" in line
    assert line["other"] == 1


@pytest.mark.parametrize("event", [None, 7, b"bytes", "\ud800", Unspeakable()])
def test_anything_may_be_the_event(event: Any) -> None:
    assert isinstance(say(event)["event"], str)


def test_a_field_whose_name_json_can_not_say_costs_no_line() -> None:
    assert say("x", **{"\ud800": 1, "good": 2})["good"] == 2


def test_an_exception_is_told_with_its_stack() -> None:
    try:
        raise KeyError("k")
    except KeyError as error:
        assert "KeyError: 'k'" in say("x", exc_info=True)["traceback"]
        caught = error
    assert "KeyError: 'k'" in say("x", exc_info=caught)["traceback"]
    assert say("x", exc_info=False)["traceback"] == ""


def test_a_long_text_loses_its_middle_and_is_named() -> None:
    line = say("x", story="a" * 10_000 + "b" * 10_000, short="s")
    assert line["truncated"] == ["story"]
    assert line["story"].startswith("aaa")
    assert line["story"].endswith("bbb")
    assert line["short"] == "s"


def test_a_long_list_loses_its_first_items() -> None:
    line = say("x", tail=[f"line {n}" for n in range(5000)])
    assert line["truncated"] == ["tail"]
    assert line["tail"][-1] == "line 4999"
    assert len(line["tail"]) > 100


def test_what_is_said_of_an_event_is_named_too_where_it_is_cut() -> None:
    assert say("e" * 20_000)["truncated"] == ["event", "message"]
    assert say("x", story="a" * 20_000, message="m" * 2000)["truncated"] == ["message", "story"]
    assert say("x", story="a" * 20_000, message="m" * 1000)["truncated"] == ["story"]
    assert say(Event.REDIS_LOST, error="e" * 20_000)["truncated"] == ["error", "message"]


@pytest.mark.parametrize("character", ["x", "\x01", "é", '"'])
def test_of_a_last_line_that_is_too_long_as_much_stays_as_there_is_room_for(character: str) -> None:
    lines = ["first", character * 8000 + "the end"]
    kept, cut = logs.shorten({"output_tail": lines}, 6000)
    assert cut == ["output_tail"]
    assert 5000 < len(logs._encode(kept)) <= 6000
    [line] = kept["output_tail"]
    assert line.endswith("the end")


def test_what_fits_is_not_cut() -> None:
    assert "truncated" not in say("x", story="a" * (MAX_LINE_BYTES - 300))


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "\x00" * 20_000},
        {"text": "\udcff" * 20_000},
        {"message": "m" * 40_000},
        {"error": "é" * 40_000},
        {"n" * 40_000: 1},
        {f"name{n}": "v" * 20 for n in range(2000)},
        {"n" * 500 + str(n): n for n in range(200)},
        {f"big{n}": "v" * 4000 for n in range(60)},
        {"nested": {str(n): ["x" * 50] * 50 for n in range(100)}},
        {"tail": ["x" * 30_000]},
        {"tail": []},
    ],
    ids=lambda fields: next(iter(fields))[:10],
)
def test_no_line_is_longer_than_15_kib(fields: dict[str, Any]) -> None:
    say("x", **fields)
    say("\x01" * 30_000, **fields)
    say(Event.REDIS_LOST, **fields)


def test_a_long_base_leaves_room_for_what_is_told() -> None:
    log, lines = lines_of({"service": "s" * 30_000, "host": "\x00" * 9000})
    log.info("x", story="a" * 30_000)
    [line] = lines
    assert len(line) <= MAX_LINE_BYTES
    assert len(json.loads(line)["story"]) > 5000


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=60, **BUSY)
@given(
    event=st.text(st.characters()) | st.sampled_from(sorted(SENTENCES)),
    fields=st.dictionaries(
        st.text(min_size=1).filter(lambda k: k not in ("event", "exc_info")), json_like, max_size=3
    ),
)
def test_any_fields_make_one_json_object(event: str, fields: dict[str, Any]) -> None:
    say(event, **fields)


# --- for a terminal ----------------------------------------------------------------------------


def shown(line: bytes, *, color: bool = False) -> str:
    text = console_line(line, color=color).decode()
    assert text.endswith("\n")
    return text[:-1]


def test_a_console_line_shows_time_level_event_message_and_the_rest() -> None:
    log, lines = lines_of()
    log.error(Event.RUNNER_CRASHED, runner="q/1", how="killed by SIGSEGV", signal="SIGSEGV")
    text = shown(lines[0])
    assert re.match(r"\d\d:\d\d:\d\d\.\d{3} error   runner\.crashed +q/1 died: killed by", text)
    assert "signal=SIGSEGV" in text
    assert "supervisor=" not in text


def test_a_jobs_own_event_is_its_message_and_shown_once() -> None:
    log, lines = lines_of()
    log.info("greeting", to="Ada")
    assert re.search(r" info    greeting +to=Ada$", shown(lines[0]))


def test_output_is_shown_as_it_was_written() -> None:
    assert "hello there" in shown(b'{"event":"output","message":"m","text":"hello there"}')


def test_a_traceback_keeps_its_lines_on_a_console() -> None:
    assert shown(b'{"event":"x","traceback":"one\\n two"}').splitlines()[1:] == ["one", " two"]


def test_a_console_shows_of_a_stack_what_is_the_jobs() -> None:
    frames = (
        *("Fatal Python error: Aborted\n", "Thread 0x1 (most recent call first):"),
        '  File "/shop/pdf.py", line 88 in execute',
        '  File "/venv/horus_supervisor/runner/execute.py", line 75 in guarded',
        '  File "/venv/horus_supervisor/template.py", line 97 in main',
    )
    stack = "\n".join(frames)
    text = shown(json.dumps({"event": "runner.crashed", "traceback": stack}).encode())
    assert "/shop/pdf.py" in text
    assert "horus_supervisor" not in text


def test_a_console_gets_no_control_characters_of_others() -> None:
    line = (
        b'{"event":"output","text":"\\u001b]0;title\\u0007","traceback":"\\u001b[2J","b":"\\u009b"}'
    )
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown(line))


def test_colour_ends_with_the_line() -> None:
    text = shown(b'{"level":"error","event":"x","message":"m"}', color=True)
    assert text.startswith("\x1b[31m")
    assert text.endswith("\x1b[0m")


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_a_runner_in_a_terminal_colours_as_no_color_says(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], coloured: bool
) -> None:
    for name, value in ({"NO_COLOR": "", "TERM": "xterm"} | environment).items():
        monkeypatch.setenv(name, value)
    assert ("\x1b[" in told_on(*pty.openpty())) is coloured


def test_what_is_for_people_and_goes_into_a_file_has_no_colour() -> None:
    assert "\x1b[" not in told_on(*os.pipe())


def told_on(reading: int, writing: int) -> str:
    """Have a runner's voice say something, as people read it; gives what came."""
    me = Identity(service="shop", host="h1", supervisor="abc", level="info")
    Voice(writing, me, "work/1", "work", console=True).direct.info("x")
    told = os.read(reading, 1000).decode()
    os.close(reading)
    os.close(writing)
    return told


HOSTILE = [
    *(b"", b"plain", b'"text"', b"[1]", b"\xff\xfe", b'{"a":"\xff"}', b'{"a":"\\ud800"}'),
    b"[" * 50_000,
    b'{"event":{"a":1},"level":[1],"timestamp":5,"message":{}}',
]


@pytest.mark.parametrize("line", HOSTILE, ids=lambda line: repr(line[:12]))
def test_a_line_that_is_no_record_is_shown_in_a_line(line: bytes) -> None:
    assert "\n" not in shown(line)


def test_a_prepared_line_says_what_a_rendered_one_does() -> None:
    base = {**BASE, "runner": "100%/1"}
    constant, holes = {"job": "50%.é", "queue": "q"}, {"job_id": "%b", "duration_s": "%.6f"}
    renderer = logs.Renderer(base)
    form = renderer.form(Event.JOB_SUCCEEDED, "info", constant, holes)
    prepared = json.loads(form(0.25, b'"a\\"b"', 0.25))
    fields = {"event": "job.succeeded", **constant, "job_id": 'a"b', "duration_s": 0.25}
    rendered = json.loads(renderer(None, "info", fields))
    del prepared["timestamp"], rendered["timestamp"]
    assert prepared.pop("message") == "50%.é done in 0.250000 s"
    assert rendered.pop("message") == "50%.é done in 0.25 s"
    assert prepared == rendered
