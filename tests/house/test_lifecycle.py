"""``lifecycle`` and the scripts say the same, and every script reads the way the others do."""

from __future__ import annotations

import re
from pathlib import Path

from horus_supervisor.lifecycle import ARROWS, DEATH_OF_CAUSE, Cause, Death, JobState
from horus_supervisor.store.operation import SCRIPTS, resolve_includes

PATHS = sorted(SCRIPTS.glob("*.lua"))
PIECES = sorted((SCRIPTS / "pieces").glob("*.lua"))

_HEADER = re.compile(r"-- (\w+): (.*)")
_ARROWS = re.compile(r"(\w+(?: or \w+)*) -> (\w+(?: or \w+)*)\b")
_WRITE = re.compile(
    r"call\('(?:[HS]?SET|HSETNX|HDEL|HINCRBY|DEL|UNLINK|RENAME|[LR]PUSH|[LR]POP|LREM|LTRIM|SADD|ZADD|ZREM\w*|XADD)'"
    r"|\b(?:claim_next|note_slot|note|schedule|to_\w+|settle|write_record|wake|push|give_up|rearm|repack|place)\("
)


def drawn(header: str) -> set[tuple[JobState, JobState]]:
    """Read the arrows of a header line: ``a or b -> c or d``."""
    match = _ARROWS.match(header)
    if not match:
        return set()
    before, after = (side.split(" or ") for side in match.groups())
    return {(JobState(a), JobState(b)) for a in before for b in after}


def header(path: Path) -> str:
    lines = path.read_text().splitlines()
    match = _HEADER.match(lines[1])
    assert match, f"{path.name} does not tell its name in its second line"
    assert match[1] == path.stem
    return match[2]


def test_a_script_says_which_arrows_it_draws() -> None:
    for path in PATHS:
        assert drawn(header(path)) == set(ARROWS.get(path.stem, ())), path.name


def test_every_arrow_has_a_script() -> None:
    assert ARROWS.keys() <= {path.stem for path in PATHS}


def test_every_state_can_be_reached_and_left_but_for_the_ends() -> None:
    arrows = [arrow for drawn_by in ARROWS.values() for arrow in drawn_by]
    states = set(JobState) - {JobState.UNKNOWN}
    assert {after for _, after in arrows} == states
    ends = {JobState.SUCCEEDED, JobState.DISCARDED}
    assert {before for before, _ in arrows} == set(JobState) - ends


def test_every_cause_of_a_death_means_something_for_the_job() -> None:
    blamed = {"crashed": "signal exit oom", "killed": "timeout memory stuck"}
    blamed["lost"] = "supervisor_lost host_lost"
    means = {Cause(c): Death(death) for death, causes in blamed.items() for c in causes.split()}
    assert means == DEATH_OF_CAUSE
    assert means.keys() == set(Cause)


def test_a_script_tells_keys_arguments_and_replies() -> None:
    for path in PATHS:
        text = path.read_text()
        head = text.split("\n-- include:")[0]
        lines = [line for line in head.splitlines() if re.match(r"-- [A-Z]{4,} ", line)]
        told = [line.split()[1] for line in lines]
        code = resolve_includes(text.removeprefix(head), SCRIPTS)
        wanted = ["KEYS", "ARGV", "REPLY"] if "ARGV" in code else ["KEYS", "REPLY"]
        assert told == wanted, path.name


def test_a_script_fits_on_a_page() -> None:
    for path in [*PATHS, *PIECES]:
        lines = path.read_text().splitlines()
        assert len(lines) <= 80, path.name
        assert max(map(len, lines)) <= 120, path.name


def test_checks_come_first_and_then_only_writes() -> None:
    """A script is carried out whole or not at all: nothing is refused after the first write."""
    for path in PATHS:
        text = path.read_text()
        checks, marked, writes = text.partition("-- writes\n")
        early = _WRITE.search(re.sub(r"--.*", "", checks))
        assert not early, f"{path.name}: a write before `-- writes`"
        if "flags=no-writes" in text:
            assert not marked, path.name
        else:
            assert _WRITE.search(writes), path.name
            assert "return {'stale'}" not in writes, path.name


def test_a_script_takes_the_time_from_redis() -> None:
    for path in PATHS:
        assert "os.time" not in path.read_text(), path.name
        assert "os.clock" not in path.read_text(), path.name
