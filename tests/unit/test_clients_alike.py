"""The clients, their handles and their drivers are alike, whether one awaits them or not."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest

from horus_supervisor import AsyncClient, AsyncJobHandle, Client, JobHandle
from horus_supervisor.store import async_connection, connection
from horus_supervisor.store.async_connection import AsyncConnection
from horus_supervisor.store.connection import Connection

PAIRS = [(Client, AsyncClient), (JobHandle, AsyncJobHandle), (Connection, AsyncConnection)]

ONLY_AWAITED_BY_NOBODY = {"run_many", "raw"}
"""What ``horus`` and the pytest plugin need of the driver, which no client does."""


def public(cls: type[Any]) -> dict[str, Any]:
    """What a class offers: its methods, and how it begins and ends."""
    names = {name for name in vars(cls) if not name.startswith("_")} | {"__init__"}
    return {name: vars(cls)[name] for name in names - ONLY_AWAITED_BY_NOBODY}


def without_async(text: str) -> str:
    return re.sub(r"Async(Client|JobHandle|Connection)", r"\1", text).replace(".asyncio", "")


def signature(method: Callable[..., Any]) -> str:
    return without_async(str(inspect.signature(method)))


@pytest.mark.parametrize(("plain", "awaited"), PAIRS)
def test_both_offer_the_same_under_the_same_signature(plain: type[Any], awaited: type[Any]) -> None:
    assert public(plain).keys() == public(awaited).keys()
    for name, method in public(plain).items():
        if inspect.isfunction(method):
            assert signature(method) == signature(public(awaited)[name]), name


@pytest.mark.parametrize(("plain", "awaited"), PAIRS)
def test_both_say_the_same_of_themselves(plain: type[Any], awaited: type[Any]) -> None:
    for name, method in public(plain).items():
        if inspect.isfunction(method):
            told = inspect.getdoc(public(awaited)[name]) or ""
            assert told.startswith(inspect.getdoc(method) or ""), name  # and when to do it


@pytest.mark.parametrize(("plain", "awaited"), PAIRS)
def test_whatever_talks_to_redis_is_awaited(plain: type[Any], awaited: type[Any]) -> None:
    methods = {name for name, method in public(awaited).items() if inspect.isfunction(method)}
    assert {name for name in methods if inspect.iscoroutinefunction(vars(awaited)[name])} == (
        methods - {"__init__"}
    )
    assert not any(inspect.iscoroutinefunction(method) for method in public(plain).values())


def test_both_say_the_same_as_classes() -> None:
    awaited = inspect.getdoc(AsyncClient) or ""
    assert inspect.getdoc(Client) == awaited.replace("``async with``", "``with``")
    assert signature(connection.connect) == signature(async_connection.connect)
