"""The keeper's way to the log: whole lines, no long wait, every dropped line counted."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from horus_supervisor.events import Event
from horus_supervisor.keeper.voice import Voice
from horus_supervisor.messages import Identity
from tests.support.outlets import Reader, reader

__all__ = ["reader"]  # a fixture

ME = Identity(service="s", host="h", supervisor="a", level="info")
LONG = "x" * 14_000


@pytest.fixture
def unheard() -> list[bytes]:
    return []


@pytest.fixture
def voice(reader: Reader, unheard: list[bytes]) -> Iterator[Voice]:
    blocking = os.dup(reader.writing)
    assert os.get_blocking(blocking)
    yield Voice(blocking, ME, unheard.append)
    os.close(blocking)


def heard(reader: Reader) -> list[dict[str, Any]]:
    text = reader.read()
    assert text.endswith(b"\n")
    return [json.loads(line) for line in text.splitlines()]


def test_a_log_that_nobody_reads_costs_a_moment_and_what_was_dropped_is_counted(
    reader: Reader, voice: Voice
) -> None:
    began = time.monotonic()
    for n in range(40):
        voice.log.info("a line", n=n, text=LONG)
    assert time.monotonic() - began < 1
    before = reader.read()
    voice.log.info("a line", n=40)
    voice.finish()
    lines = [json.loads(line) for line in (before + reader.read()).splitlines()]
    *first, told, last = lines
    assert [line["n"] for line in first] == list(range(len(first)))
    assert (told["event"], told["count"]) == (Event.LOG_DROPPED, 40 - len(first))
    assert last["n"] == 40


def test_beside_a_runner_in_a_terminal_it_speaks_as_that_one_does(
    reader: Reader, unheard: list[bytes]
) -> None:
    voice = Voice(reader.writing, ME, unheard.append, console=True)
    voice.log.warning(Event.REDIS_RESTORED, after_s=2)
    assert re.match(rb"\d\d:\d\d:\d\d\.\d{3} warning redis\.restored ", reader.read())


def test_a_slow_reader_gets_all(reader: Reader, voice: Voice) -> None:
    got = []
    for n in range(20):
        voice.log.info("a line", n=n, text=LONG)
        got += heard(reader)
    assert [line["n"] for line in got] == list(range(20))


def test_what_nobody_reads_any_more_is_kept_whole(
    reader: Reader, voice: Voice, unheard: list[bytes]
) -> None:
    while not voice._line:
        voice.log.info("a line", text=LONG[:9000])  # three pages of the pipe's sixteen
    begun = voice._line
    reading, reader.fd = reader.fd, os.open(os.devnull, os.O_RDONLY)
    os.close(reading)
    voice.log.info("the next")
    assert unheard[0] == begun
    assert json.loads(unheard[1].splitlines()[-1])["event"] == "the next"
