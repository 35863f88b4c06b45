"""``horus status --watch``: the same again and again, whatever comes between."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from horus_supervisor.address import parse_url
from horus_supervisor.cli.errors import Exit, Failure
from horus_supervisor.cli.place import Place
from horus_supervisor.cli.wiring import Store
from tests.support.horus import COMMAND, Horus, Scene, environment
from tests.support.redis_server import RedisServer


def watching(*where: str) -> subprocess.Popen[bytes]:
    command = [*COMMAND, *where, "status", "--json", "--watch", "100ms"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment(), stdout=pipe, stderr=pipe)


def test_watching_shows_it_again_and_again_as_an_object_a_line(horus: Horus, scene: Scene) -> None:
    with watching(*horus.where) as process:
        assert process.stdout
        first = json.loads(process.stdout.readline())
        scene.add("a")
        changed = (json.loads(line) for line in process.stdout)
        assert next(told for told in changed if told["queues"])["queues"][0]["ready"] == 1
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert (first["schema"], first["queues"], process.returncode, said) == (1, [], 130, b"")


def test_watching_outlives_an_outage(own_redis: RedisServer) -> None:
    with watching("--url", own_redis.url) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline()
        own_redis.kill()
        assert json.loads(process.stderr.readline())["error"]["code"] == 5
        own_redis.start()
        shown = iter(process.stdout)
        assert all(json.loads(next(shown))["healthy"] for _ in range(10))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)


def test_an_outage_between_two_questions_is_in_words_too(tmp_path: Path) -> None:
    address = parse_url(f"unix://{tmp_path}/redis.sock")
    store = Store(Place(address, "n", lambda: "config.toml:2", None, "horus"))
    with pytest.raises(Failure, match=r"redis\.sock \(config\.toml:2\): no such file") as told:
        store.clients()
    assert told.value.code == Exit.AWAY
