"""Where the shop's Redis is: the one of config.toml beside us, unless HORUS_URL says another."""

from __future__ import annotations

import os
from pathlib import Path


def url() -> str:
    """Tell the URL, for all clients of the shop."""
    folder = Path(__file__).resolve().parents[1] / "var" / "horus"
    return os.environ.get("HORUS_URL") or f"embedded:{folder}"
