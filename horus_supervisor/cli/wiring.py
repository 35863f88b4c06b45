"""Where the jobs are, from what was typed and the environment; and the way there.

Imports neither redis nor the file's job code before a verb asks for it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from horus_supervisor.cli.errors import in_words, usage
from horus_supervisor.errors import HorusError, RedisAway, ReplyLost, ServiceNotRunning

if TYPE_CHECKING:
    from pathlib import Path

    from horus_supervisor.address import Address
    from horus_supervisor.client import Client
    from horus_supervisor.config.schema import Config
    from horus_supervisor.enqueue import Enqueue
    from horus_supervisor.store.operation import Operation
    from horus_supervisor.tries import Run

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

FILE_HERE = "config.toml"
TIMEOUT_S = 5.0
FEW = 50


@dataclass(slots=True)
class Asked:
    """The options before the verb; ``json`` may stand behind it too. Owned by the main command."""

    config: str | None
    url: str | None
    namespace: str | None
    json: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where the jobs are. ``again``: how to type ``horus`` so that it looks there once more."""

    address: Address
    namespace: str
    origin: Callable[[], str]
    config: Config | None
    again: str


class Store:
    """The jobs of a namespace; owns its connections. Raises failures in words.

    Questions go over our own wire, as redis-py would cost them 0.1 s of import; only what
    goes to many jobs at once is pipelined by redis-py.
    """

    def __init__(self, place: Place, timeout_s: float | None = None) -> None:
        from horus_supervisor.store.wire import Wire

        self.place = place
        self.namespace = place.namespace
        self._wire = Wire(place.address, timeout_s=timeout_s or TIMEOUT_S)

    def run(self, operation: Operation[T]) -> T:
        """Carry out one operation."""
        with errors_in_words(self.place):
            return self._wire.run(operation)

    def run_many(self, operations: Iterable[Operation[T]]) -> list[T]:
        """Carry out operations in order, pipelined where they are more than a few."""
        operations = list(operations)
        if len(operations) <= FEW:
            return [self.run(operation) for operation in operations]
        from horus_supervisor.store.connection import connect

        with errors_in_words(self.place):
            connection = connect(self.place.address, timeout_s=TIMEOUT_S)
            with contextlib.closing(connection):
                return connection.run_many(operations)

    def enqueue(self, order: Enqueue) -> bool | None:
        """Put a job on its queue as a ``Client`` would; tells whether that made it. Raises: as it.

        A connection for each try, as each may take another time.
        """
        from horus_supervisor.clock import SystemClock
        from horus_supervisor.tries import Told, Wait, send

        plan = send([order], self.namespace, TIMEOUT_S, SystemClock())
        told: Told = None
        while True:
            try:
                step = plan.send(told)
            except StopIteration as done:
                created: list[bool | None] = done.value
                return created[0]
            if isinstance(step, Wait):
                time.sleep(step.seconds)
                told = None
            else:
                told = self._try(step)

    def _try(self, step: Run) -> Sequence[Any] | HorusError:
        from horus_supervisor.store.wire import Wire

        wire = Wire(self.place.address, timeout_s=step.within_s, check_version=True)
        with contextlib.closing(wire):
            try:
                return [wire.run(call) for call in step.calls]
            except (RedisAway, ReplyLost, ServiceNotRunning) as error:
                return error
            except HorusError as refusal:
                return [refusal]

    def clients(self) -> list[dict[str, str]]:
        """List Redis's clients, a dict each. Raises: ``RedisRefused`` as it is."""
        from horus_supervisor.store.clients import connected

        return connected(self._wire)

    def info(self) -> dict[str, str]:
        """Read Redis's INFO. Raises: ``RedisRefused`` as it is."""
        from horus_supervisor.store import server

        return server.info(self._wire)

    def now_s(self) -> float:
        """Tell Redis's clock."""
        from horus_supervisor.store import server

        return server.now_s(self._wire)

    def close(self) -> None:
        """Close the wire."""
        self._wire.close()


@contextlib.contextmanager
def errors_in_words(place: Place | None = None) -> Iterator[None]:
    """Turn errors of Horus into failures that say where the address was read."""
    try:
        yield
    except HorusError as error:
        raise in_words(error, place) from error


@contextlib.contextmanager
def open_store(asked: Asked) -> Iterator[Store]:
    """Open the store that was asked for."""
    with contextlib.closing(Store(locate(asked))) as store:
        yield store


@contextlib.contextmanager
def open_client(place: Place) -> Iterator[Client]:
    """Open a client, for verbs that enqueue or run jobs."""
    from horus_supervisor.client import Client
    from horus_supervisor.job.codec import MAX_PAYLOAD_BYTES

    config = place.config
    most = config.supervisor.max_payload_bytes if config else MAX_PAYLOAD_BYTES
    with (
        errors_in_words(place),
        Client(
            place.address,
            namespace=place.namespace,
            timeout=TIMEOUT_S,
            max_payload_bytes=most,
        ) as client,
    ):
        yield client


def locate(asked: Asked) -> Place:
    """Find out where the jobs are: what was typed, else the environment, else ``config.toml``."""
    if asked.config and asked.url:
        raise usage("-c and --url: give one of them", "horus --help")
    if asked.config:
        return _in_file(asked, asked.config, f"horus -c {shlex.quote(asked.config)}")
    if asked.url:
        return _at_url(asked, asked.url, "--url")
    if file := os.environ.get("HORUS_CONFIG"):
        return _in_file(asked, file, "horus")
    if url := os.environ.get("HORUS_URL"):
        return _at_url(asked, url, "HORUS_URL")
    if os.path.exists(FILE_HERE):
        return _in_file(asked, FILE_HERE, "horus")
    raise usage(
        f"where is Redis? There is no {FILE_HERE} here, and no HORUS_CONFIG or HORUS_URL",
        "horus -c FILE VERB, or horus --url URL VERB",
    )


def _in_file(asked: Asked, name: str, again: str) -> Place:
    if asked.namespace:
        raise usage("--namespace goes with --url: a file names its own, in [redis] namespace")
    from pathlib import Path

    from horus_supervisor.address import parse_url
    from horus_supervisor.config.load import load

    file = Path(name)
    with errors_in_words():
        config = load(file)
        address = parse_url(config.redis.url, base=config.file.parent)
    return Place(address, config.redis.namespace, lambda: _line_of_url(file), config, again)


def _at_url(asked: Asked, url: str, origin: str) -> Place:
    from horus_supervisor.address import parse_url

    namespace = asked.namespace or "horus"
    if not re.fullmatch(r"[!-z|~]{1,200}", namespace):
        raise usage(f"--namespace {namespace!r}: printable ASCII, no white space, no braces")
    with errors_in_words():
        address = parse_url(url)
    shown = ["horus"]
    if origin == "--url" and not address.password:
        shown += ["--url", shlex.quote(url)]
    if asked.namespace:
        shown += ["--namespace", shlex.quote(asked.namespace)]
    return Place(address, namespace, lambda: origin, None, " ".join(shown))


def _line_of_url(file: Path) -> str:
    """Tell where the URL stands: ``config.toml:3``; the file alone where it isn't there."""
    from horus_supervisor.config.lines import scan

    found = None
    with contextlib.suppress(OSError, UnicodeDecodeError):
        lines = scan(file.read_text()).found
        found = lines.get(("redis", "url"), lines.get(("redis", "url_file")))
    return f"{file}:{found}" if found else str(file)


def _turn_json_on(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(Asked).json = True


def json_option(verb: F) -> F:
    """Give a verb ``--json``."""
    return click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        callback=_turn_json_on,
        help="One JSON object on standard output; errors as an object on standard error.",
    )(verb)
