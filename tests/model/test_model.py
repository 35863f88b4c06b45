"""The real scripts do what the model says, whatever is lost, late or dead in between.

``HORUS_MODEL_EXAMPLES`` makes it a longer, random search: say 5000.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from horus_supervisor.store.connection import connect
from tests.model.machine import Machine, World
from tests.support.redis_server import RedisServer

EXAMPLES = int(os.environ.get("HORUS_MODEL_EXAMPLES", "0"))


@pytest.mark.timeout(EXAMPLES + 120)
def test_the_scripts_do_what_the_model_says(redis_server: RedisServer) -> None:
    chosen = settings(
        max_examples=EXAMPLES or 60,
        stateful_step_count=50,
        derandomize=not EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    connection = connect(redis_server.url)
    with redis_server.client() as raw:
        world = World(connection.run, raw, {})
        run_state_machine_as_test(lambda: Machine(world), settings=chosen)
    connection.close()
