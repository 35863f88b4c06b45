"""Mistakes in the file: all of them at once, each in a sentence that shows the way out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from horus_supervisor.config.load import imports_of, load, parse
from horus_supervisor.errors import ConfigError, Mistake

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
    assert [": ".join(line.split(": ")[:2]) for line in found] == [
        "c.toml:3: redis.namspace",
        "c.toml:5: supervisor.shutdown_timeout = 25",
        "c.toml:7: queues.emails = -1",
        'c.toml:8: queues."bad name!"',
        "c.toml:9: groups.emails",
        "c.toml:10: groups.emails.queues = []",
        'c.toml:11: groups.emails.runners = "2"',
        'c.toml:13: log.level = "loud"',
    ]


def test_a_mistake_is_data_too() -> None:
    with pytest.raises(ConfigError) as caught:
        parse('[redis]\nnamspace = "a"\n[defaults]\nkill_after = 5', FILE)
    assert caught.value.details == [
        Mistake(
            "c.toml",
            "no such key; did you mean namespace? Allowed: namespace, url, url_file",
            line=2,
            key="redis.namspace",
            nearest="namespace",
        ),
        Mistake(
            "c.toml",
            'a bare number has no unit: write "5s"',
            line=4,
            key="defaults.kill_after",
            found="5",
        ),
    ]


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("[supervisor]\nimports = [\n 'a',\n 'b/c.py', # no\n 'd.py',\n]", [4, 5]),
        ("[groups.m]\nqueues = { a = 0,\tb = 1001 }", [2, 2]),
        ("[groups.m.queues]\na = 1\nb = 0\n'c d' = 1\n[groups.m]\nrunners = -1", [3, 4, 6]),
        ("[groups.m]\nqueues = ['a',\n'a']\n", [3]),
        ("[supervisor]\npath = ['a',\n'']\n", [3]),
        ("groups.m.queues = ['a']\ngroups.m.'max_jobs' = 0\n\"defaults\".lease = 1", [2, 3]),
        ("[log]\nservice = '''\n[queues]\na = -1\n'''\n[queues]\na = -1", [2, 7]),
        ("[groups]\n[groups.m]\nrunners = 1", [2]),
        ("[[queues]]\na = 1", [1]),
        ("\n[queues]\na = 1\nb = 600\n[groups.c]\nqueues = ['a']\nrunners = 400", [4]),
    ],
)
def test_each_mistake_has_its_own_line(text: str, places: list[int]) -> None:
    assert [int(line.split(":")[1]) for line in mistakes(text)] == places


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        # keys
        ("[redis]\nnamspace = 'a'", "redis.namspace: no such key; did you mean namespace?"),
        ("[supervisor]\nreload-on-save = true", "did you mean reload_on_save?"),
        ("[grops.x]\nqueues = ['a']", "grops: no such table; did you mean groups?"),
        ("[redis]\nlease = '1m'", "no such key; it belongs into [supervisor]. Allowed: name"),
        ("[redis]\nlevel = 'info'", "no such key; it belongs into [log]. Allowed: name"),
        ("[supervisor]\njob_timeout = '1m'", "it belongs into [defaults] or [groups.NAME]."),
        ("[log]\nzzz = 1", "log.zzz: no such key. Allowed: args, format, level, service"),
        ("x = 1", "x: no such table. Allowed: defaults, groups"),
        ("queues = 3", "queues = 3: allowed is a table: [queues]"),
        ("[groups]\na = 3", "groups.a = 3: allowed is a table: [groups.a]"),
        ("[groups]\nrunners = 3", "groups.runners = 3: allowed is a table: [groups.NAME]"),
        ("[[groups]]\nqueues = ['a']", "allowed is a table: [groups.NAME]"),
        ("[groups.a]", "groups.a.queues: is missing"),
        ("redis = 'redis://:geheim@h'", "c.toml:1: redis: allowed is a table: [redis]"),
        ("[redis]\nurl = 'redis+sentinel://a/b'", "redis.url: redis+sentinel:// is not supported"),
        ("[redis]\nurl = 'redis://h'\nurl_file = 'u'", "url is there too: keep one of them"),
        ("[redis]\nurl_file = 'redis://:geheim@h'", "redis.url_file: allowed is the path of a"),
        ("[groups.a]\nqueues=['a']\norder='strikt'", 'allowed is "weighted" or "strict"'),
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
        (
            "[groups.a]\nqueues = { x = 0 }",
            "x = 0: a weight is a whole number from 1 to 1000",
        ),
        ("[groups.a]\nqueues = { x = 1001 }", "queues.x = 1001: a weight is a whole number"),
        ("[groups.a]\nqueues = { x = true }", "queues.x = true: a weight is a whole number"),
        ("[groups.a]\nqueues = { x = '5' }", 'queues.x = "5": a weight is a whole number'),
        ("[groups.a]\nqueues = { 'a b' = 5 }", '"a b" is no name for a queue'),
        ("[groups.a]\nqueues = { mail.fast = 3 }", 'needs quotes: write "mail.fast" = 3'),
        ("[groups.a]\nqueues = {}", "a group serves at least one queue"),
        # counts
        ("[queues]\na = -1", "queues.a = -1: allowed is 0 or more"),
        ("[queues]\na = 1001", "queues.a = 1001: allowed is 1000 or less"),
        ("[queues]\na = 600\nb = 600", "1200 runners in all groups together: allowed are 1000"),
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
        ("[queues]\na = {}", "allowed is a number of runners; a group"),
        ("[queues.a]\nrunners = 2", "a group with settings of its own is [groups.a]"),
        # both memory limits
        (
            "[groups.a]\nqueues=['a']\nmax_memory='2GiB'\nhard_memory='1GiB'",
            'groups.a.hard_memory = "1GiB": allowed is max_memory, "2GiB", or more',
        ),
        ("[defaults]\nmax_memory='2GiB'\nhard_memory='1GiB'", "defaults.hard_memory"),
        (
            "[defaults]\nmax_memory='2GiB'\nhard_memory='1GiB'\n[groups.a]\nqueues=['a']",
            "defaults.hard_memory",
        ),
        (
            "[defaults]\nmax_memory='2GiB'\n[groups.a]\nqueues=['a']\nhard_memory='1GiB'",
            "groups.a.hard_memory",
        ),
        ("[defaults]\nnice = 20", 'defaults.nice = 20: allowed is 19 or less, or "none"'),
        ("[defaults]\noom_score_adj = -1001", "allowed is -1000 or more"),
        ("[defaults]\nopen_files = 3", "allowed is 64 or more"),
        ("[defaults]\nenvironment = 'A=1'", 'allowed is a table of strings: { NAME = "value" }'),
        ("[defaults.environment]\nA = 1", "defaults.environment.A: allowed is a string, in quotes"),
        ('[defaults.environment]\nA = "a\\u0000"', "defaults.environment.A: allowed is a string"),
        ("[supervisor]\nimport_timeout = '999ms'", 'allowed is "1s" or more'),
        ("[defaults.environment]\n'A-B' = ''", "a variable has a name of A-Z a-z 0-9 _"),
        ("[defaults.environment]\nHORUS_RUNNER = ''", "and not HORUS_RUNNER"),
        (f"[defaults.environment]\nA = '{'x' * 20_000}'", "allowed are 16384 bytes in all"),
        ("[defaults]\nqueues = ['a']", "defaults.queues: each group under [groups] names its own"),
    ],
)
def test_a_mistake_is_told_with_what_is_allowed(text: str, sentence: str) -> None:
    [found] = mistakes(text)
    assert re.match(r"c\.toml:[1-5]: ", found)
    assert sentence in found
    assert "geheim" not in found


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
        (
            "[queues\n",
            "c.toml:1:8: not TOML: Expected ']' at the end of a table declaration: write",
        ),
        (
            "[supervisor]\nlease = 25s\n",
            "c.toml:2:11: not TOML: Expected newline or end of document after "
            'a statement: durations and sizes are strings: write lease = "25s"',
        ),
        ("[defaults]\nmax_memory = 512MiB", 'write max_memory = "512MiB"'),
        ("a = 1\nb = 2\na = 3\n", "c.toml:3:6: not TOML: a is there already, on line 1: keep one"),
        ("[a.b]\n[c]\n[a.b]\n", "a.b is there already, on line 1: keep one of them"),
        ("[a]\nb = 1\n[a.b]\nc = 1", "a.b is there already, on line 2"),
        ("a = { b = 1, b = 2 }", "c.toml:1:19: not TOML: Duplicate inline table key 'b': keep"),
        ("[redis]\nurl = redis://:geheim@h", "c.toml:2:7: not TOML: Invalid value: a value is"),
        (
            "[redis]\nurl = 'redis://:geheim@h\nx = 1",
            'c.toml:2: not TOML: Expected "\'": the value that',
        ),
        ('[redis]\nurl = "redis://:geheim@h\n', "c.toml:2:25: not TOML: Illegal character"),
        ('a = 1\nb = """\nc = 1\nd = 1', "c.toml:2: not TOML: Unterminated string: the value that"),
        ("a = [\n1,\n2\n", "c.toml:1: not TOML: Unclosed array: the value that begins here has"),
        ("b = 1\n[a", "c.toml:2:3: not TOML: Expected ']'"),
        ("a b = 1", "Expected '=' after a key in a key/value pair: write key = value"),
        ("a = 'x' y", "a line holds one key = value"),
        ("= 1", "Invalid statement: a line is [table], key = value or # a comment"),
        ('a = "C:\\Users"', "four hexadecimal digits"),
        ('a = "C:\\dir"', "write \\\\ for a backslash, or put the string in 'single quotes'"),
        (f"a = {'9' * 5000}", "not TOML"),
        (f"a = {'[' * 50_000}", "not TOML"),
    ],
)
def test_what_is_no_toml_is_told_with_its_line(text: str, sentence: str) -> None:
    [found] = mistakes(text)
    assert sentence in found
    assert "geheim" not in found


@pytest.mark.parametrize(
    "text",
    [
        "[queues]\nemails = 1\nurl = 'redis://:geheim@h'",
        "[redis]\nnamespace = 'redis://:geheim@h'",
        "[supervisor]\nimports = ['redis://h?password=geheim']",
        "[log]\nlevel = ['redis://:geheim@h']",
    ],
)
def test_a_url_under_another_key_is_not_quoted_either(text: str) -> None:
    [found] = mistakes(text)
    assert "geheim" not in found
    assert "a URL" in found


def test_broken_toml_does_not_show_the_password_on_its_line() -> None:
    [found] = mistakes('[redis]\nurl = "redis://:geheim@h" x\n')
    assert found.startswith("c.toml:2:27: not TOML")
    assert "geheim" not in found


def test_a_file_that_cannot_be_read_is_a_mistake_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: can't be read: No such file"):
        load(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="can't be read: Is a directory"):
        load(tmp_path)
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"\n# caf\xe9\n")
    with pytest.raises(ConfigError, match=r"latin\.toml:2: not UTF-8: byte 6"):
        load(latin)


def test_a_folder_whose_name_is_no_utf_8_is_a_mistake_of_a_file_in_it(tmp_path: Path) -> None:
    file = tmp_path / "caf\udce9" / "c.toml"
    file.parent.mkdir()
    file.write_text("[redis]\nurl = 'embedded:var'\n[supervisor]\nimports = ['shop']\n")
    with pytest.raises(ConfigError, match=r"c\.toml: its path is no UTF-8"):
        load(file)
    assert imports_of(file) == ([], [])


def test_the_value_of_a_variable_is_not_quoted() -> None:
    [found] = mistakes("[defaults]\nenvironment = { 'A-B' = 'geheim', C = ['geheim'] }")[:1]
    assert "geheim" not in found
