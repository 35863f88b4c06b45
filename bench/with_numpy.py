"""Job code with a large import, for the memory of runners that share it."""

from __future__ import annotations

import importlib

from bench.jobs import NoOp

__all__ = ["NoOp"]

importlib.import_module("numpy")
