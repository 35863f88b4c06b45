"""Where the jobs are, from what was typed and the environment; and the way there.

Imports neither redis nor the file's job code before a verb asks for it.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from horus_supervisor.cli import typed
from horus_supervisor.cli.asked import Asked
from horus_supervisor.cli.errors import in_words, usage
from horus_supervisor.cli.output import count, note
from horus_supervisor.cli.place import Place
from horus_supervisor.errors import (
    ConfigError,
    HorusError,
    RedisAway,
    ReplyLost,
    ServiceNotRunning,
)
from horus_supervisor.ids import NAMESPACES, valid_namespace
from horus_supervisor.store import server
from horus_supervisor.store.wire import Wire

if TYPE_CHECKING:
    from pathlib import Path

    from horus_supervisor.enqueue import Enqueue
    from horus_supervisor.store.operation import Operation
    from horus_supervisor.tries import Run

T = TypeVar("T")

FILE_HERE = "config.toml"
TIMEOUT_S = 5.0
FEW = 50


class Store:
    """The jobs of a namespace; owns its connections. Raises failures in words.

    Questions go over our own wire, as redis-py would cost them 0.1 s of import; only what
    goes to many jobs at once is pipelined by redis-py.
    """

    def __init__(self, place: Place, timeout_s: float | None = None) -> None:
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
        from horus_supervisor.tries import carry_out, send

        plan = send([order], self.namespace, TIMEOUT_S, SystemClock())
        [created] = carry_out(plan, self._try)
        return created

    def _try(self, step: Run) -> Sequence[Any] | HorusError:
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
        try:
            return server.clients(self._wire)
        except (RedisAway, ReplyLost, ServiceNotRunning) as error:
            raise in_words(error, self.place) from error

    def info(self) -> dict[str, str]:
        """Read Redis's INFO. Raises: ``RedisRefused`` as it is."""
        return server.info(self._wire)

    def now_s(self) -> float:
        """Tell Redis's clock."""
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
def open_store(asked: Asked, *, whole: bool = False) -> Iterator[Store]:
    """Open the store that was asked for; ``whole`` as for ``locate``."""
    place = locate(asked, whole=whole)
    if place.mistakes and not asked.json:
        found = count(place.mistakes, "mistake")
        note(f"the file has {found}, so only its [redis] holds; try: {place.start} --check")
    with contextlib.closing(Store(place)) as store:
        yield store


def locate(asked: Asked, *, whole: bool = True) -> Place:
    """Find out where the jobs are: what was typed, else the environment, else ``config.toml``.

    Without ``whole`` a file may have mistakes, but for its [redis]: who looks after jobs should not
    have to mend it first.
    """
    for name in ("config", "url", "namespace"):
        if getattr(asked, name) == "":  # a variable that isn't set would lead elsewhere
            raise usage(f"--{name} is empty: give it, or leave it away")
    if asked.config and asked.url:
        raise usage("-c and --url: give one of them", "horus --help")
    if asked.config:
        return _in_file(asked, asked.config, "-c", whole)
    if asked.url:
        return _at_url(asked, asked.url, "--url")
    if file := os.environ.get("HORUS_CONFIG"):
        return _in_file(asked, file, "HORUS_CONFIG", whole)
    if url := os.environ.get("HORUS_URL"):
        return _at_url(asked, url, "HORUS_URL")
    if os.path.exists(FILE_HERE):
        return _in_file(asked, FILE_HERE, "", whole)
    raise usage(
        f"where is Redis? There is no {FILE_HERE} here, and no HORUS_CONFIG or HORUS_URL",
        "horus -c FILE VERB, or horus --url URL VERB",
    )


def _in_file(asked: Asked, name: str, named_by: str, whole: bool) -> Place:
    if asked.namespace:
        raise usage("--namespace goes with --url: a file names its own, in [redis] namespace")
    from pathlib import Path

    from horus_supervisor.config.content import is_missing
    from horus_supervisor.config.load import load, load_redis

    file, quoted = Path(name), shlex.quote(name)
    if is_missing(file):
        hint = "-c with the file of your service; horus init writes a first one"
        raise usage(f"{name} ({named_by or 'here'}): there is no such file", hint)
    config, mistakes = None, 0
    with errors_in_words():
        try:
            config = load(file, pipes=True)
            redis = config.redis
        except ConfigError as error:
            if whole:
                raise
            redis, mistakes = load_redis(file, error), len(error.mistakes)
    return Place(
        redis.address,
        redis.namespace,
        lambda: _line_of_url(file),
        config,
        typed.again(asked),
        f"horus-supervisor -c {quoted}",
        mistakes,
    )


def _at_url(asked: Asked, url: str, origin: str) -> Place:
    from horus_supervisor.address import AddressError, parse_url

    namespace = asked.namespace or "horus"
    if not valid_namespace(namespace):
        raise usage(f"--namespace {namespace!r}: {NAMESPACES}")
    try:
        address = parse_url(url)
    except AddressError as error:
        raise usage(f"{origin}: {error}") from None
    return Place(address, namespace, lambda: origin, None, typed.again(asked))


def _line_of_url(file: Path) -> str:
    """Tell where the URL stands: ``config.toml:3``; the file alone where it isn't there."""
    from horus_supervisor.config.content import content
    from horus_supervisor.config.lines import scan

    found = None
    with contextlib.suppress(OSError, UnicodeDecodeError):
        lines = scan(content(file).decode("utf-8-sig")).found
        found = lines.get(("redis", "url"), lines.get(("redis", "url_file")))
    return f"{file}:{found}" if found else str(file)
