"""Running the machine: a short search that is the same each time, or a long random one."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.internal.conjecture.providers import HypothesisProvider
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import Machine
from tests.model.world import World

STEPS = 50
EXAMPLES = 12
"""The first examples of a search differ most: several short searches find more than a long one."""


def search(world: World, number: int) -> None:
    """Make one short search, the same for the same number. Raises what the machine raises.

    Hypothesis likes to draw numbers that stand in the source of what is loaded; that is another
    search when other tests are, or a line is added anywhere, so it has to do without.
    """
    chosen = settings(
        _settings(EXAMPLES), phases=[Phase.generate], report_multiple_bugs=False, print_blob=False
    )
    with patch.object(HypothesisProvider, "_maybe_draw_constant", lambda *_, **__: None):
        run_state_machine_as_test(seed(number)(_machine(world)), settings=chosen)


def search_at_random(world: World, examples: int) -> None:
    """Make a long search, another one each time; what fails is told in its shortest form."""
    run_state_machine_as_test(_machine(world), settings=_settings(examples))


def _machine(world: World) -> Any:
    """Make what makes machines: any callable will do, where Hypothesis's types ask for a class."""
    return lambda: Machine(world)


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
