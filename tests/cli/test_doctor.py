"""``horus doctor`` on real servers and files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.horus import Horus, Row, Scene
from tests.support.redis_server import RedisServer
from tests.support.told import connected, reasons, runner


def checks(told: Row, level: str) -> set[str]:
    return {row["check"] for row in told["findings"] if row["level"] == level}


def test_a_house_in_order_is_well(
    horus: Horus, scene: Scene, redis_url: str, own_redis: RedisServer
) -> None:
    own = Horus(own_redis.url, "n")
    told = own.json("doctor")
    assert told["healthy"]
    assert checks(told, "error") == set()
    assert checks(told, "warning") == {"services"}  # none runs
    assert told["findings"][0]["what"].startswith("none is named: -c FILE")
    assert all(row.keys() == {"level", "check", "what", "why", "try"} for row in told["findings"])
    text = own("doctor").stdout
    assert text.startswith("OK  1 warning\n")
    assert text.splitlines()[-1] == f"Next: horus {' '.join(own.where)} status"


def test_a_service_whose_log_is_full_is_not_well(
    horus: Horus, scene: Scene, redis_url: str, namespace: str
) -> None:
    why = "its log takes no more lines: jobs wait"
    with connected(redis_url, f"horus:{namespace}:keeper"):
        for runners in ([runner(0)], []):  # those who died have no successor
            facts = {"runners": runners, "not_ready": why, "unread": True}
            scene.beat(namespace, groups={"emails": 1}, **facts)
            assert reasons(horus) == [f"w1: {why}"]
            assert horus("status").stdout.endswith(" doctor\n")
            assert f"w1: {why}" in horus("doctor", code=1).stdout


def test_jobs_that_nobody_serves_or_imports_and_lost_ones_are_found(
    horus: Horus, scene: Scene, redis_url: str, namespace: str
) -> None:
    scene.add("a", name="shop.Mail")
    scene.add("b", name="shop.New", delay_ms=1_000_000)
    scene.add("c", queue="reports")
    scene.beat(namespace, queues=["emails"], jobs=["shop.Mail"], groups={"emails": 1}, runners=[])
    with connected(redis_url, f"horus:{namespace}:keeper"):
        told = horus.json("doctor", code=1)
        [stranger] = [row for row in told["findings"] if row["check"] == "classes"]
        assert "shop.New waits" in stranger["what"]
        assert "shop.Mail" not in stranger["what"]
        assert "systemctl reload" in stranger["try"]
        [unserved] = [row for row in told["findings"] if row["check"] == "queues"]
        assert unserved["level"] == "error"
        assert unserved["try"].endswith(" work -q reports")
        assert "sum" in checks(told, "ok")
        scene.raw.lpop(f"{scene.prefix}ready:reports")
        told = horus.json("doctor", code=1)
    [lost] = [row for row in told["findings"] if row["check"] == "sum"]
    assert lost["what"].startswith("reports: 1 job missing")
    text = horus("doctor", code=1).stdout
    assert text.startswith("NOT WELL  ")
    shown = [line for line in text.splitlines() if not re.search("try:|Next:", line)]
    assert [line for line in shown if len(line) > 80] == []


def test_a_redis_that_may_lose_jobs_is_found(tmp_path: Path) -> None:
    extra = ("--appendonly", "no", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    server = RedisServer(tmp_path / "lossy", extra=extra)
    server.start()
    try:
        told = Horus(server.url, "n").json("doctor", code=1)
        assert "policy" in checks(told, "error")
        assert "persistence" in checks(told, "warning")
        server.client().replicaof("127.0.0.1", "1")
        assert "role" in checks(Horus(server.url, "n").json("doctor", code=1), "error")
    finally:
        server.kill()


def test_a_redis_that_takes_no_writes_is_found(own_redis: RedisServer) -> None:
    own = Horus(own_redis.url, "n")
    own.json("enqueue", "a.B", "-q", "emails")
    own_redis.client().config_set("min-replicas-to-write", 1)
    told = own.json("doctor", code=1)
    first, *_ = [row for row in told["findings"] if row["level"] == "error"]
    assert first["check"] == "writes"
    assert "NOREPLICAS" in first["what"]
    assert own("doctor", code=1).stdout.splitlines()[-1] == f"Next: {first['try']}"


def test_what_may_not_be_asked_is_told(own_redis: RedisServer) -> None:
    allowed = ["+@all", "-info", "-client"]
    own_redis.client().acl_setuser(
        "u", enabled=True, passwords=["+p"], keys=["*"], commands=allowed
    )
    told = Horus(f"unix://u:p@{own_redis.path}", "n").json("doctor")
    [finding] = [row for row in told["findings"] if row["check"] == "redis"]
    assert finding["level"] == "warning"
    assert "sum" in checks(told, "ok")


def test_a_redis_that_is_away_is_a_finding_beside_the_others(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f'[redis]\nurl = "unix://{tmp_path}/none.sock"\n[queues]\nq = 1\n')
    result = Horus.bare("-c", str(file), "doctor", code=1)
    assert "no such file" in " ".join(result.stdout.split())
    assert "state_dir" in result.stdout
    assert "horus doctor" not in result.stdout
    (tmp_path / "c.toml").write_text('[redis]\nurl = "embedded:var"\n[queues]\nq = 1\n')
    text = Horus.bare("-c", str(file), "doctor", code=1).stdout
    assert text.splitlines()[-1] == f"Next: horus-supervisor -c {file}"


@pytest.mark.parametrize("words", [["-c", "none.toml"], []])
def test_a_file_that_can_not_be_read_is_a_finding(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = Horus.bare(*words, "doctor", code=1).stdout
    assert text.startswith("NOT WELL  1 error\n")
    assert "  file  " in text
