"""What the documentation tells people to write and to type works, and says what is shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pages import Terminal, blocks
from tests.support.redis_server import RedisServer

DOCS = Path(__file__).resolve().parents[2] / "docs"
TUTORIAL = DOCS / "tutorial.md"
OTHERS = [page for folder in ("howto", "from") for page in sorted((DOCS / folder).glob("*.md"))]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A shell in an empty folder."""
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.close()


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_tutorial_works_as_it_is_typed(terminal: Terminal) -> None:
    terminal.follow(TUTORIAL)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("page", OTHERS, ids=lambda page: str(page.relative_to(DOCS)))
def test_what_a_page_says_works_as_it_is_typed(
    page: Path, terminal: Terminal, own_redis: RedisServer
) -> None:
    written = list(blocks(page))
    assert written, "a page that shows nothing"
    if not any(block.file.endswith("config.toml") for block in written):
        terminal.run(f"export HORUS_URL={own_redis.url}")
    terminal.follow(page)
