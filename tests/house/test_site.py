"""The pages of ``docs/`` say what the code does: reference, handbook, what is typed."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest

import horus_supervisor
from horus_supervisor import testing
from horus_supervisor.cli.crash_rows import FIELDS
from horus_supervisor.cli.main import VERBS
from horus_supervisor.cli.main import main as horus
from horus_supervisor.events import Event
from horus_supervisor.supervisor.command_line import parser
from horus_supervisor.supervisor.programs import Programs, Template
from reference import crashes, events, site
from reference.pages import FOLDER, PAGES
from tests.cli.test_looking import JOB_FIELDS
from tests.support.pages import blocks

DOCS = Path(__file__).resolve().parents[2] / "docs"
ROOT = DOCS.parent
ALL = sorted([ROOT / "README.md", *ROOT.glob("deploy/*.md"), *DOCS.rglob("*.md")])
OPERATIONS = DOCS / "operations.md"


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES)
def test_the_reference_is_what_the_code_says(page: str) -> None:
    assert (FOLDER / page).read_text() == PAGES[page](), "make reference writes it anew"


def test_no_page_of_the_reference_is_left_over() -> None:
    assert {page.name for page in FOLDER.iterdir()} == PAGES.keys()


def test_every_name_on_the_python_page_is_imported_from_where_it_says() -> None:
    text = (FOLDER / "python.md").read_text()
    jobs_and_errors, tests = text.split("## Tests")
    for page, module in ((jobs_and_errors, horus_supervisor), (tests, testing)):
        assert set(re.findall(r"^### `(\w+)`$", page, re.MULTILINE)) <= set(module.__all__)


def test_every_child_of_the_supervisor_is_named_where_its_events_are() -> None:
    nothing: Any = None
    programs = Programs(nothing)
    programs.templates.append(Template(ways=nothing, generation=1, boot=nothing))
    children = {f"`{child.name}`" for child in programs.all()}
    assert set(re.findall("`[a-z ]+`", events.MEANING["child"])) == children


def test_the_crash_record_is_told_with_every_field_that_horus_shows() -> None:
    assert set(FIELDS) <= crashes.FIELDS.keys()


def test_what_json_objects_have_is_told() -> None:
    _, _, told = (FOLDER / "horus.md").read_text().partition("## `--json`")
    told = told.partition("\n## ")[0]
    calls = [
        node
        for file in (ROOT / "horus_supervisor/cli").glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "print_json"
    ]
    nouns = {keyword.arg for call in calls for keyword in call.keywords if keyword.arg}
    nouns.discard("check")  # of horus-supervisor
    assert {noun for noun in nouns | JOB_FIELDS if f"`{noun}`" not in told} == set()


def test_every_event_has_a_level_and_its_fields() -> None:
    assert events.levels().keys() == set(Event)
    assert events.FIELDS.keys() == set(Event)
    common = {**events.EVERY_LINE, **events.OF_A_RUNNER, **events.OF_A_JOB}
    told = {*events.MEANING, *common, *events.CRASH}
    assert {field for fields in events.FIELDS.values() for field in fields} - told == set()


def test_the_handbook_has_an_entry_for_each_warning_and_error() -> None:
    entries = set(re.findall(r"^### `([a-z_.]+)`$", OPERATIONS.read_text(), re.MULTILINE))
    troubles = {e for e, found in events.levels().items() if found & {"warning", "error"}}
    assert troubles - entries == set()
    assert entries - set(Event) == set()


def test_each_entry_of_the_handbook_says_what_it_means_and_what_to_type() -> None:
    short = [
        entry.partition("\n")[0]
        for entry in re.split(r"^### ", OPERATIONS.read_text(), flags=re.MULTILINE)[1:]
        if not (re.search(r"\*\*(M|m)eans\*\*", entry) and re.search(r"\*\*Type\*\*", entry))
        and not entry.startswith("A job is")
    ]
    assert short == []


# --- what is typed -------------------------------------------------------------------------------


def typed(page: Path) -> Iterator[tuple[str, str]]:
    """Find what a page types: a command of ours, and what stands behind it."""
    text = re.sub(r"\\\n\s*", "", page.read_text())
    for found in re.finditer(r"(?<![\w./-])(horus|horus-supervisor) ([^`\n|]*)", text):
        before = text[: found.start()].rpartition("\n")[2]
        if re.search(r"(^\$ |`|^|[|(]\s*|&& |in: )$", before) or before.startswith("$ "):
            yield found[1], found[2].partition("  #")[0]


@cache
def options_of(verb: str) -> frozenset[str]:
    context = click.Context(horus)
    command = horus.get_command(context, verb)
    assert command
    params = [*command.get_params(click.Context(command)), *horus.get_params(context)]
    return frozenset(option for param in params for option in param.opts)


def unknown(program: str, words: str) -> Iterator[str]:
    given = re.findall(r"(?<!\S)(--?[a-z][a-z-]*)", re.sub(r"'[^']*'", "", words))
    if program == "horus-supervisor":
        known = {option for action in parser()._actions for option in action.option_strings}
    else:
        bare = re.sub(r"(?<!\S)(-c|--url|--namespace) \S+", "", words).split()
        verb = next((word for word in bare if not word.startswith("-")), "")
        if not re.fullmatch(r"[a-z]+", verb):
            return
        if verb not in VERBS:
            yield f"{program} {verb}"
            return
        known = set(options_of(verb))
    yield from (f"{program} {words}: {option}" for option in given if option not in known)


@pytest.mark.parametrize("page", ALL, ids=name)
def test_only_verbs_and_options_that_exist_are_typed(page: Path) -> None:
    assert [slip for program, words in typed(page) for slip in unknown(program, words)] == []


def test_what_is_typed_is_found() -> None:
    found = {name(page): [*typed(page)] for page in ALL}
    assert ("horus", "status") in found["docs/tutorial.md"]
    assert ("horus", "crashes --since 10m --by job") in found["docs/operations.md"]
    assert [*unknown("horus", "retyr ID")] == ["horus retyr"]
    assert [*unknown("horus", "status --chekc")] == ["horus status --chekc: --chekc"]


# --- the site ------------------------------------------------------------------------------------


def test_only_pages_of_which_all_is_shown_or_run_have_samples() -> None:
    """They are run by ``tests/service/test_pages.py``, those of two pages by tests of their own."""
    run = {"tutorial.md", "protocol.md", "testing.md"}
    run |= {name(p)[5:] for f in ("howto", "from") for p in (DOCS / f).glob("*")}
    told = {name(page)[5:] for page in DOCS.rglob("*.md") if page.parent != FOLDER}
    sampled = {
        page
        for page in told
        if {block.language for block in blocks(DOCS / page)} & {"python", "console"}
    }
    assert sampled - run == set()


def test_links_out_of_the_docs_lead_to_a_copy_in_the_site() -> None:
    tour = DOCS / "tour.md"
    files = site.linked(tour)
    assert ROOT / "horus_supervisor" / "template.py" in files
    assert site.copy_of(ROOT / "horus_supervisor" / "template.py") == (
        "source/horus_supervisor/template.py.txt"
    )


def test_the_documentation_is_built_with_what_is_locked() -> None:
    group = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["docs"]
    locked = (ROOT / "docs" / "requirements.txt").read_text()
    for wanted in group:
        assert f"\n{re.split('[>=<]', wanted)[0]}==" in locked
