"""Calls of Python's that a runner has to know of: something is done before each of them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


def precede(first: Callable[[], None], *calls: tuple[object, str]) -> None:
    """Have ``first`` done before each of these calls, named by module and name.

    For a template, before job code can take them by name. What a system lacks is passed over.
    """
    for module, name in calls:
        if call := getattr(module, name, None):
            setattr(module, name, _preceded(call, first))


def _preceded(call: Callable[..., Any], first: Callable[[], None]) -> Callable[..., Any]:
    @functools.wraps(call)
    def preceded(*args: Any, **kwargs: Any) -> Any:
        first()
        return call(*args, **kwargs)

    return preceded
