"""The documentation says what the code does: names, arrows, replies, keys, links."""

from __future__ import annotations

import ast
import inspect
import re
from functools import cache
from pathlib import Path

import pytest

import horus_supervisor
from horus_supervisor import events, lifecycle
from horus_supervisor.config import keys
from horus_supervisor.config.load import parse
from horus_supervisor.enqueue import MAX_TAGS
from horus_supervisor.ids import QUEUE_NAMES, TAGS
from horus_supervisor.job.codec import MAX_DEPTH, MAX_PAYLOAD_BYTES
from horus_supervisor.job.definition import MAX_ATTEMPTS, Job
from horus_supervisor.job.numbers import MAX_COUNT
from horus_supervisor.lifecycle import JobState
from horus_supervisor.store import operations, words
from horus_supervisor.store.operation import SCRIPTS
from tests.support.pages import blocks as blocks_of

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
DESIGN = ROOT / "docs" / "design.md"
FAILURES = ROOT / "docs" / "failures.md"
TOUR = ROOT / "docs" / "tour.md"
PROTOCOL = ROOT / "docs" / "protocol.md"
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("deploy/*.md"),
        *ROOT.glob("examples/*.md"),
    ]
)

MOST_WORDS = 900


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    """Give the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def quoted(page: Path, pattern: str) -> set[str]:
    """Give what stands `so` in a page and matches, outside of blocks."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return {word for word in re.findall(r"`([^`\n]+)`", text) if re.fullmatch(pattern, word)}


def section(page: Path, title: str) -> str:
    """Give the text under the heading that ends with ``title``."""
    found = re.search(rf"^## [\d. ]*{title}\n(.*?)(?=^## |\Z)", page.read_text(), re.M | re.S)
    assert found, f"{name(page)} has no section {title!r}"
    return found[1]


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@cache
def names_of_tests() -> set[str]:
    return {
        node.name
        for file in (ROOT / "tests").rglob("test_*.py")
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef)
    }


def test_the_readme_is_read_in_five_minutes() -> None:
    words = README.read_text().split()
    assert len(words) <= MOST_WORDS


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_into_the_project_leads_somewhere(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_diagram_has_the_arrows_of_the_lifecycle() -> None:
    [diagram] = blocks(DESIGN, "mermaid")
    drawn = {
        (script, lifecycle.JobState.UNKNOWN if start == "[*]" else start, end)
        for start, end, scripts in re.findall(r"(\S+) --> (\S+) : (.+)", diagram)
        for script in scripts.split(", ")
    }
    arrows = {(s, start, end) for s, pairs in lifecycle.ARROWS.items() for start, end in pairs}
    assert drawn == arrows


def scripts_in_the_design() -> dict[str, str]:
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", section(DESIGN, "Scripts"), re.MULTILINE)
    assert len(rows) == len(dict(rows)), "a script has two rows"
    return dict(rows)


def test_every_script_is_in_the_design_and_no_other() -> None:
    assert scripts_in_the_design().keys() == {path.stem for path in SCRIPTS.glob("*.lua")}


def test_every_reply_of_a_script_is_in_the_design() -> None:
    silent = []
    for script, row in scripts_in_the_design().items():
        replies = row.rpartition("|")[2]
        source = (SCRIPTS / f"{script}.lua").read_text()
        silent += [
            f"{script}: {word}"
            for word in re.findall(r"return \{'([a-z ]+)'", source)
            if f"`{word}`" not in replies
        ]
    assert silent == []


def test_every_key_of_the_store_is_in_the_design() -> None:
    lua = "".join(path.read_text() for path in SCRIPTS.rglob("*.lua"))
    used = set(re.findall(r"ns \.\. '([a-z]+)", lua))
    table = section(DESIGN, "What lies in Redis")
    assert {key for key in used if not re.search(rf"`{key}\b", table)} == set()


def test_every_invariant_names_the_tests_that_guard_it() -> None:
    rows = re.findall(r"^\| (\d+) \|.*\|(.*)\|$", section(DESIGN, "Invariants"), re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 13))
    assert [number for number, guards in rows if "`test_" not in guards] == []


def test_each_of_the_55_failures_names_the_test_that_shows_its_cure() -> None:
    rows = re.findall(r"^\| (\d+) \|.*\|(.*)\|$", FAILURES.read_text(), re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 56))
    assert [number for number, tests in rows if "`test_" not in tests] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_test_that_is_named_exists(page: Path) -> None:
    assert quoted(page, r"test_\w+") - names_of_tests() == set()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_event_that_is_named_exists(page: Path) -> None:
    rooms = "|".join(sorted({event.partition(".")[0] for event in events.Event if "." in event}))
    named = quoted(page, rf"({rooms})\.[a-z_]+")
    assert named - {event.value for event in events.Event} == set()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_file_that_is_named_exists(page: Path) -> None:
    package = ROOT / "horus_supervisor"
    rooms = [
        ROOT,
        ROOT / "deploy",
        ROOT / "examples",
        package,
        *(p for p in package.rglob("*") if p.is_dir()),
    ]
    named = quoted(page, r"\w[\w./-]*\.(py|lua|md|toml|yaml|service)") - {"config.toml"}
    named -= {title for block in blocks_of(page) for title in (block.file, Path(block.file).name)}
    assert {file for file in named if not any((room / file).exists() for room in rooms)} == set()


def test_the_tour_stops_at_seven_files_and_at_functions_that_are_there() -> None:
    stops = re.split(r"^\d\. ", TOUR.read_text(), flags=re.MULTILINE)[1:]
    assert len(stops) == 7
    gone = []
    for stop in stops:
        files = [TOUR.parent / link for link in re.findall(r"\]\((\.\./[^)]+)\)", stop)]
        source = "".join(file.read_text() for file in files)
        named = re.findall(r"`(_\w+|run|turn)`", stop)
        gone += [f"{files[0].name}: {word}" for word in named if f"def {word}(" not in source]
    assert gone == []


def test_the_readmes_toml_is_a_file_without_mistakes() -> None:
    [text] = blocks(README, "toml")
    config = parse(text, Path("config.toml"))
    assert [group.name for group in config.groups] == ["emails"]


def test_every_setting_that_the_readme_names_exists() -> None:
    known = {key.name for table in keys.TABLES.values() for key in table}
    known |= set(Job.__horus__.__slots__) | set(horus_supervisor.__all__)
    named = {word.partition("=")[0] for word in quoted(README, r"[a-z]+(_[a-z]+)+(=\w+)?")}
    assert named - known == set()


def test_the_readmes_python_is_python() -> None:
    examples = blocks(README, "python")
    assert examples
    for text in examples:
        compile(text, "README.md", "exec")


def test_the_protocol_tells_the_arguments_of_the_script_in_their_order() -> None:
    rows = re.findall(r"^\| (\d+) \| ([a-z_ ]+) \|", PROTOCOL.read_text(), re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, len(rows) + 1))
    used = re.findall(r"ARGV\[(\d+)\]", (SCRIPTS / "enqueue.lua").read_text())
    assert {number for number, _ in rows} == set(used)
    asked = inspect.signature(operations.enqueue).parameters.keys() - {"namespace", "on_crash"}
    assert {name.replace("job name", "name").replace("id", "job_id") for _, name in rows} == asked
    [called] = re.findall(
        r"^EVALSHA SHA 1 \{NAMESPACE\}: (.*?)\n```", PROTOCOL.read_text(), re.M | re.S
    )
    named = [name.upper().removeprefix("JOB ") for _, name in rows]
    assert re.findall(r"[A-Z_]+", called) == named


def test_the_protocol_tells_every_reply_and_every_refusal_that_passes() -> None:
    told = quoted(PROTOCOL, r"\w+")
    replies = re.findall(r"return \{'([a-z]+)'", (SCRIPTS / "enqueue.lua").read_text())
    assert {*replies, *words.PASSING, *JobState} <= told


def test_the_protocol_names_the_defaults_and_limits_of_the_client() -> None:
    text = PROTOCOL.read_text()
    for limit in (MAX_ATTEMPTS, MAX_COUNT, f"{MAX_PAYLOAD_BYTES // 1024} KiB", MAX_DEPTH):
        assert re.search(rf"\b{limit}\b", text), limit
    plain = text.replace("`", "")
    assert f"at most {MAX_TAGS} words" in plain
    assert TAGS in plain
    assert QUEUE_NAMES in plain
