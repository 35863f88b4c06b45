"""Which pages there are, and the small words that they share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reference import api, commands, configuration, crashes, events
from reference.words import made

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"

PAGES: dict[str, Callable[[], str]] = {
    "configuration.md": lambda: made(configuration.page()),
    "horus.md": lambda: made(commands.horus()),
    "horus-supervisor.md": lambda: made(commands.supervisor()),
    "events.md": lambda: made(events.page()),
    "crash-record.md": lambda: made(crashes.page()),
    "python.md": lambda: made(api.page()),
}
"""File -> what makes it."""
