"""Mistakes in the file: all of them at once, each in a sentence that shows the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from horus_supervisor.config.load import load, parse
from horus_supervisor.errors import ConfigError

FILE = Path("c.toml")


def mistakes(text: str) -> list[str]:
    """Read a text that is not in order; its mistakes."""
    with pytest.raises(ConfigError) as caught:
        parse(text, FILE)
    return caught.value.mistakes


def test_all_mistakes_of_a_file_come_at_once() -> None:
    found = mistakes(
        """
        [redis]
        namspace = "a"
        [supervisor]
        shutdown_timeout = 25
        [queues]
        emails = -1
        "bad name!" = 1
        [groups.emails]
        queues = []
        runners = "2"
        [log]
        level = "loud"
        """
    )
    assert [line.removeprefix("c.toml: ").split(":")[0] for line in found] == [
        "redis.namspace",
        "supervisor.shutdown_timeout = 25",
        'log.level = "loud"',
        "queues.emails = -1",
        'queues."bad name!"',
        "groups.emails",
        "groups.emails.queues = []",
        'groups.emails.runners = "2"',
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        # keys
        ("[redis]\nnamspace = 'a'", "redis.namspace: no such key; did you mean namespace?"),
        ("[supervisor]\nreload-on-save = true", "did you mean reload_on_save?"),
        ("[grops.x]\nqueues = ['a']", "grops: no such table; did you mean groups?"),
        ("[log]\nzzz = 1", "log.zzz: no such key. Allowed: args, format, level, service"),
        ("x = 1", "x: no such table. Allowed: defaults, groups"),
        ("queues = 3", "queues = 3: allowed is a table: [queues]"),
        ("[groups]\na = 3", "groups.a = 3: allowed is a table: [groups.a]"),
        ("[groups.a]", "groups.a.queues: is missing"),
        # what comes later
        ("[groups.a]\nqueues=['a']\norder='strict'", "groups.a.order: is not supported yet"),
        ("[redis]\nurl_file = '/x'", "redis.url_file: is not supported yet"),
        ("[redis]\nurl = 'redis+sentinel://a/b'", "redis.url: redis+sentinel:// is not supported"),
        # types: a bool is no number, a number no bool, a string neither
        ("[queues]\na = true", "queues.a = true: allowed is a whole number"),
        ("[queues]\na = 1.0", "queues.a = 1.0: allowed is a whole number"),
        ("[queues]\na = '2'", 'queues.a = "2": allowed is a whole number'),
        ("[queues]\na = 2026-01-01", "queues.a = the date or time 2026-01-01: allowed is"),
        ("[supervisor]\nreload_on_save = 1", "allowed is true or false, without quotes"),
        ("[log]\nargs = 'false'", "allowed is true or false, without quotes"),
        ("[log]\nservice = ''", "allowed is a string of printable characters, not empty"),
        ("[log]\nformat = 'text'", 'allowed is "json" or "console"'),
        ("[supervisor]\nimports = 'a.b'", 'write ["a.b"]'),
        ("[supervisor]\nimports = [1]", "imports = [1]: allowed is an array of strings"),
        ("[supervisor]\nimports = ['a', 'a']", '"a" is there twice'),
        ("[supervisor]\nimports = ['my/jobs.py']", 'is not the name of a module: write "my.jobs"'),
        ("[groups.a]\nqueues = 'x'", 'allowed is an array: write ["x"]'),
        ("[groups.a]\nqueues = ['x', 'x']", '"x" is there twice'),
        ("[groups.a]\nqueues = [1]", "1 is no name for a queue"),
        ("[groups.a]\nqueues = { x = 0 }", 'the weight of "x" is a whole number from 1 to 1000'),
        ("[groups.a]\nqueues = { x = true }", 'the weight of "x" is a whole number'),
        # counts
        ("[queues]\na = -1", "queues.a = -1: allowed is 0 or more"),
        ("[queues]\na = 1001", "queues.a = 1001: allowed is 1000 or less"),
        ("[queues]\na = 600\nb = 600", "runners: 1200 in all groups together: allowed are 1000"),
        ("[defaults]\nmax_crashes = 0", "defaults.max_crashes = 0: allowed is 1 or more"),
        ("[defaults]\nmax_jobs = 0", 'allowed is 1 or more, or "none"'),
        # units
        ("[defaults]\nkill_after = 5", 'kill_after = 5: a bare number has no unit: write "5s"'),
        ("[defaults]\nkill_after = 0.5", 'write "0.5s"'),
        ("[defaults]\nkill_after = '5'", 'write "5s"'),
        ("[defaults]\nkill_after = -5", 'a duration such as "250ms"'),
        ("[defaults]\nkill_after = inf", 'a duration such as "250ms"'),
        ("[defaults]\nkill_after = '5 minutes'", 'a duration such as "250ms"'),
        ("[defaults]\njob_timeout = '0s'", 'allowed is "1ms" or more, or "none"'),
        ("[defaults]\nmax_memory = 512", 'write "512MiB"'),
        ("[defaults]\nmax_memory = '0B'", "allowed is"),
        ("[supervisor]\nmax_payload = '1GiB'", 'allowed is "1B" to "64MiB"'),
        ("[supervisor]\nlease = '10ms'", 'allowed is "1s" or more'),
        # names
        ("[queues]\n'a b' = 1", "allowed are 1 to 64 of A-Z a-z 0-9 _ . -"),
        ("[queues]\n'' = 1", "is no name for a queue"),
        ("[queues]\n'é' = 1", "is no name for a queue"),
        (f"[queues]\n{'a' * 65} = 1", "is no name for a queue"),
        ("[groups.'a b']\nqueues = ['a']", "is no name for a group"),
        ("[redis]\nnamespace = '{x}'", 'redis.namespace = "{x}": allowed are'),
        ("[queues]\na = 1\n[groups.a]\nqueues = ['b']", "groups.a: [queues] makes a group"),
        ("[queues]\nmail.fast = 3", 'a name with a dot needs quotes: write "mail.fast" = 3'),
        ("[queues]\na.b.c = 2", 'write "a.b.c" = 2'),
        ("[queues.a]\nrunners = 2", "a group with settings of its own is [groups.a]"),
        # both memory limits
        (
            "[groups.a]\nqueues=['a']\nmax_memory='2GiB'\nhard_memory='1GiB'",
            'groups.a.hard_memory = "1GiB": allowed is max_memory, "2GiB", or more',
        ),
        ("[defaults]\nmax_memory='2GiB'\nhard_memory='1GiB'", "defaults.hard_memory"),
        ("[defaults]\nqueues = ['a']", "defaults.queues: each group under [groups] names its own"),
    ],
)
def test_a_mistake_is_told_with_what_is_allowed(text: str, sentence: str) -> None:
    [found] = mistakes(text)
    assert found.startswith("c.toml: ")
    assert sentence in found


@pytest.mark.parametrize(
    "url",
    ["redi://:geheim@h", "geheim", "", "redis:geheim", "embedded:", "embedded://geheim", "unix:/x"],
)
def test_a_url_that_is_none_is_refused_and_never_quoted(url: str) -> None:
    [found] = mistakes(f"[redis]\nurl = '{url}'")
    assert "redis.url: " in found
    assert "geheim" not in found


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[queues\n", "c.toml: line 1, column 8: not TOML: Expected ']'"),
        (
            "[supervisor]\nlease = 25s\n",
            "c.toml: line 2, column 11: not TOML: Expected newline or end of document after "
            'a statement: durations and sizes are strings: write lease = "25s"',
        ),
        ("[defaults]\nmax_memory = 512MiB", 'write max_memory = "512MiB"'),
        ("a = 1\na = 2\n", "Cannot overwrite a value"),
        (f"a = {'9' * 5000}", "not TOML"),
        (f"a = {'[' * 50_000}", "not TOML"),
    ],
)
def test_what_is_no_toml_is_told_with_its_line(text: str, sentence: str) -> None:
    [found] = mistakes(text)
    assert sentence in found


def test_broken_toml_does_not_show_the_password_on_its_line() -> None:
    [found] = mistakes('[redis]\nurl = "redis://:geheim@h" x\n')
    assert "line 2" in found
    assert "geheim" not in found


def test_a_file_that_cannot_be_read_is_a_mistake_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: can't be read: No such file"):
        load(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="can't be read: Is a directory"):
        load(tmp_path)
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"# caf\xe9\n")
    with pytest.raises(ConfigError, match="not UTF-8: byte 5"):
        load(latin)
