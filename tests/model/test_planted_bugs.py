"""The model bites: each bug, planted into a copy of the scripts, is caught by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from horus_supervisor.store.operation import SCRIPTS, load_script
from tests.model.explore import search
from tests.model.planted import BUGS, Bug, load, plant
from tests.model.world import World

SEARCHES = 40
"""Where each bug is found at the first search today, a change elsewhere may make it the tenth."""


def many_searches(world: World, first: int) -> None:
    for number in range(SEARCHES):
        search(world, first + number)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_caught(bug: Bug, world: World, tmp_path: Path) -> None:
    planted = replace(world, scripts=plant(bug, tmp_path / "scripts"))
    with pytest.raises(AssertionError):
        many_searches(planted, bug.seed)


def test_copies_without_a_bug_are_the_real_scripts() -> None:
    for path in SCRIPTS.glob("*.lua"):
        assert load(path, SCRIPTS) == load_script(path.stem)
