"""The real scripts do what the model says, whatever is lost, late or dead in between.

``HORUS_MODEL_EXAMPLES=5000`` makes it a long random search, whose failures are shortened.
"""

from __future__ import annotations

import os

import pytest

from tests.model.explore import search, search_at_random
from tests.model.planted import BUGS
from tests.model.world import World

SEARCHES = sorted({*range(8), *(bug.seed for bug in BUGS)})
"""Those by which the planted bugs are caught among them, so that it is not the model that errs."""

EXAMPLES = int(os.environ.get("HORUS_MODEL_EXAMPLES", "0"))


@pytest.mark.parametrize("number", SEARCHES)
def test_the_scripts_do_what_the_model_says(world: World, number: int) -> None:
    search(world, number)


@pytest.mark.skipif(not EXAMPLES, reason="HORUS_MODEL_EXAMPLES is not set")
@pytest.mark.timeout(EXAMPLES + 600)
def test_a_long_search_finds_nothing_either(world: World) -> None:
    search_at_random(world, EXAMPLES)
