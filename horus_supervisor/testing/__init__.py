"""Horus in other people's tests: the types behind pytest's fixture ``horus``, for annotations.

``plugin`` is what pytest loads, wherever Horus is installed: so names are found at first use here
too, and a project that doesn't use the fixture pays for one small module.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from horus_supervisor.testing.drain import Drained, Ran
    from horus_supervisor.testing.enqueued import Enqueued, EnqueuedList
    from horus_supervisor.testing.horus import Horus

__all__ = ["Drained", "Enqueued", "EnqueuedList", "Horus", "Ran"]

_MODULES = {
    "Drained": "drain",
    "Enqueued": "enqueued",
    "EnqueuedList": "enqueued",
    "Horus": "horus",
    "Ran": "drain",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
