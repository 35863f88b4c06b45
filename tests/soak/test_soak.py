"""The soaks in short: seconds of what ``make soak`` and ``make soak-supervisor`` do for long."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak import deaths, operator

pytestmark = pytest.mark.timeout(900)  # more than all that one waits for


@pytest.mark.slow
def test_many_deaths_and_reloads_leave_nothing_behind(tmp_path: Path) -> None:
    plan = deaths.plan(deaths=28, reloads=4, seed=4)
    with deaths.soaking(plan, tmp_path, print) as soak:
        assert soak.run() == []


@pytest.mark.slow
def test_a_service_on_which_faults_are_let_loose_needs_no_hand(tmp_path: Path) -> None:
    with operator.operating(tmp_path, 4, print, short=True) as let_loose:
        assert let_loose.run(4) == []
