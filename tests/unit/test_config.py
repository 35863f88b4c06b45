"""The file that is in order: defaults, paths, groups, what ``--check`` prints."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from horus_supervisor.config import keys
from horus_supervisor.config.describe import notes, would_run
from horus_supervisor.config.load import imports_of, load, parse
from horus_supervisor.config.schema import Config, GroupConfig, LogConfig
from horus_supervisor.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
FILE = Path("/srv/app/config.toml")


def test_an_empty_file_is_all_defaults() -> None:
    config = parse("", FILE)

    assert config.file == FILE
    assert (config.redis.url, config.redis.namespace) == ("redis://localhost:6379/0", "horus")
    supervisor = config.supervisor
    assert (supervisor.imports, supervisor.path) == ((), (Path("/srv/app"),))
    assert supervisor.state_dir == Path("/srv/app/config.state")
    assert (supervisor.shutdown_timeout_s, supervisor.lease_s) == (25, 30)
    assert (supervisor.reload_on_save, supervisor.max_payload_bytes) == (True, 256 * 1024)
    assert config.groups == ()
    assert config.log == LogConfig("info", None, False, "horus")


def test_a_queue_is_a_group_of_its_name_with_the_default_limits() -> None:
    assert parse("[queues]\nemails = 4", FILE).groups == (
        GroupConfig(
            name="emails",
            queues=("emails",),
            weights=(1,),
            runners=4,
            job_timeout_s=600,
            kill_after_s=5,
            max_jobs=None,
            max_memory=None,
            hard_memory=None,
            max_crashes=3,
            hold_after=10,
            crash_delay_s=15,
            unknown_job_after_s=3600,
        ),
    )


def test_every_key_of_a_group_is_read() -> None:
    [group] = parse(
        """
        [groups.mixed]
        queues = ["critical", "default"]
        runners = 2
        job_timeout = "90s"
        kill_after = "250ms"
        max_jobs = 10_000
        max_memory = "512MiB"
        hard_memory = "1GiB"
        max_crashes = 2
        hold_after = 7
        crash_delay = "1m"
        unknown_job_after = "2d"
        nice = 5
        oom_score_adj = 500
        open_files = 4096
        environment = { TZ = "UTC", EMPTY = "" }
        """,
        FILE,
    ).groups
    assert group == GroupConfig(
        "mixed",
        ("critical", "default"),
        (1, 1),
        2,
        90,
        0.25,
        10_000,
        2**29,
        2**30,
        2,
        7,
        60,
        172_800,
        nice=5,
        oom_score_adj=500,
        open_files=4096,
        environment=(("TZ", "UTC"), ("EMPTY", "")),
    )
    assert "UTC" not in repr(group)


@pytest.mark.parametrize(
    "text",
    [
        "[groups.m]\nqueues = { critical = 1000, default = 1 }",
        "[groups.m.queues]\ncritical = 1000\ndefault = 1",
    ],
)
def test_weights_are_kept_with_their_queues(text: str) -> None:
    [group] = parse(text, FILE).groups
    assert (group.queues, group.weights) == (("critical", "default"), (1000, 1))


def test_the_order_is_by_weights_unless_the_group_or_the_defaults_say_strict() -> None:
    text = "[groups.m]\nqueues = ['a']\n[groups.n]\nqueues = ['a']\norder = 'weighted'\n"
    strict = "[defaults]\norder = 'strict'"
    assert [group.order for group in parse(text, FILE).groups] == ["weighted", "weighted"]
    assert [group.order for group in parse(text + strict, FILE).groups] == ["strict", "weighted"]


def test_defaults_hold_for_queues_and_groups_that_do_not_say_otherwise() -> None:
    config = parse(
        """
        [defaults]
        kill_after = "1s"
        runners = 7
        job_timeout = "1m"
        [queues]
        a = 1
        [groups.b]
        queues = ["b"]
        job_timeout = "none"
        """,
        FILE,
    )
    assert [(g.name, g.runners, g.kill_after_s, g.job_timeout_s) for g in config.groups] == [
        ("a", 1, 1, 60),
        ("b", 7, 1, None),
    ]


def test_each_key_takes_what_its_bounds_name() -> None:
    parse(
        """
        [redis]
        namespace = "shop:eu"
        [supervisor]
        import_timeout = "1s"
        max_payload = "64MiB"
        [defaults]
        max_memory = "1B"
        hard_memory = "1B"
        nice = 19
        oom_score_adj = -1000
        [queues]
        a = 1000
        """,
        FILE,
    )


def test_groups_come_in_the_order_of_the_file() -> None:
    text = "[groups.z]\nqueues=['z']\n[queues]\nm = 1\nc = 1\n[groups.a]\nqueues=['a']"
    assert [group.name for group in parse(text, FILE).groups] == ["z", "a", "m", "c"]


def test_a_queue_with_no_runners_is_known_and_two_groups_may_serve_one_queue() -> None:
    config = parse("[queues]\nemails = 0\n[groups.g]\nqueues = ['emails', 'x.y']", FILE)
    assert [(g.name, g.runners) for g in config.groups] == [("emails", 0), ("g", 1)]


def test_paths_are_relative_to_the_file() -> None:
    config = parse(
        """
        [redis]
        url = "embedded:var/horus"
        [supervisor]
        path = [".", "../lib", "/opt/jobs"]
        state_dir = "var/../state"
        """,
        FILE,
    )
    secured = parse('[redis]\nurl = "rediss://r1?ssl_ca_certs=tls/ca.pem"', FILE)
    assert secured.redis.address.ssl_ca_certs == "/srv/app/tls/ca.pem"
    assert parse("[supervisor]\nstate_dir = '~/horus'", FILE).supervisor.state_dir == (
        Path.home() / "horus"
    )
    assert config.redis.url == "embedded:/srv/app/var/horus"
    assert config.supervisor.path == (Path("/srv/app"), Path("/srv/lib"), Path("/opt/jobs"))
    assert config.supervisor.state_dir == Path("/srv/app/state")


def test_a_relative_file_is_relative_to_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text('[redis]\nurl = "embedded:r"\n')
    config = load(Path("config.toml"))
    assert config.file == tmp_path / "config.toml"
    assert config.redis.url == f"embedded:{tmp_path}/r"


@pytest.mark.parametrize("url", ["unix:///srv/embedded:r/redis.sock", "redis://:embedded:p@r1"])
def test_a_redis_is_embedded_by_how_its_url_begins(url: str) -> None:
    config = parse(f'[redis]\nurl = "{url}"\n', FILE)
    assert config.redis.address.folder is None


def test_a_file_from_another_editor_is_read_too(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes("\ufeff[queues]\r\nemails = 2\r\n".encode())
    assert load(file).groups[0].runners == 2


def test_records_never_change_and_hide_the_url() -> None:
    config = parse('[redis]\nurl = "redis://:geheim@h"', FILE)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.redis.namespace = "other"  # type: ignore[misc]
    assert "geheim" not in repr(config)


def test_every_default_is_one_that_a_file_may_say_itself() -> None:
    for known in keys.TABLES.values():
        for key in known:
            if key.default is not None and key.default is not keys.REQUIRED:
                key.kind.read(key.default)


# --- the example -------------------------------------------------------------------------------


@pytest.fixture
def example() -> Config:
    return load(ROOT / "config.example.toml")


def test_the_example_explains_every_key(example: Config) -> None:
    text = (ROOT / "config.example.toml").read_text()
    for known in keys.TABLES.values():
        for key in known:
            assert re.search(rf"^(# )?{key.name} = .*#", text, re.M), key.name


def test_the_examples_commented_values_are_the_defaults(example: Config) -> None:
    text = (ROOT / "config.example.toml").read_text()
    defaults = {key.name: key.default for known in keys.TABLES.values() for key in known}
    for name, value in re.findall(r"^# (\w+) = ([^#]+?) *#", text, re.M):
        if defaults[name] is not None:
            shown = str(defaults[name]).replace("'", '"')
            assert value.strip('"') in (shown, shown.lower()), name


def test_the_example_serves_every_queue_of_the_example_jobs(example: Config) -> None:
    from tests.support.example_jobs import jobs

    served = {queue for group in example.groups for queue in group.queues if group.runners}
    classes = (jobs.SendEmail, jobs.SlowReport, jobs.CrashOnPurpose, jobs.FailTwice)
    assert {job.__horus__.queue for job in classes} <= served
    assert notes(example) == []


# --- describe ----------------------------------------------------------------------------------


def test_a_description_says_what_would_run_and_shows_no_password() -> None:
    found = would_run(
        parse(
            '[redis]\nurl = "rediss://u:geheim@r1:6380/2?ssl_ca_certs=x"\n'
            '[supervisor]\nimports = ["a.b"]\n[groups.m]\nqueues = { x = 5, y = 1 }\nrunners = 3\n'
            'max_memory = "512MiB"\norder = "strict"\nhard_memory = "1GiB"\nkill_after = "7s"\n'
            'crash_delay = "8s"\nunknown_job_after = "9s"\nmax_jobs = 10\nmax_crashes = 11\n'
            "hold_after = 12\nnice = 13\noom_score_adj = 14\nopen_files = 99\n"
            "environment = { TOKEN = 'geheim' }",
            FILE,
        )
    )
    assert found["redis"] == {"url": "rediss://r1:6380/2", "namespace": "horus"}
    assert "geheim" not in str(found)
    [group] = found["groups"]
    assert group == {
        "group": "m",
        "runners": 3,
        "order": "strict",
        "queues": [{"queue": "x", "weight": 5}, {"queue": "y", "weight": 1}],
        "job_timeout_s": 600,
        "kill_after_s": 7,
        "max_jobs": 10,
        "max_memory_bytes": 2**29,
        "hard_memory_bytes": 2**30,
        "max_crashes": 11,
        "hold_after": 12,
        "crash_delay_s": 8,
        "unknown_job_after_s": 9,
        "nice": 13,
        "oom_score_adj": 14,
        "open_files": 99,
        "environment": ["TOKEN"],
    }


def test_a_redis_without_a_host_is_described_by_its_path() -> None:
    found = would_run(parse('[redis]\nurl = "unix:///run/redis.sock"', FILE))
    assert found["redis"]["url"] == "unix:/run/redis.sock"


def test_of_a_file_with_mistakes_its_imports_are_told_where_they_are_right(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    told = []
    for text in ("imports = ['a']\n[log]\nlevel = 5", "imports = ['a']\npath = 5", "imports = 5"):
        file.write_text(f"[supervisor]\n{text}")
        told.append(imports_of(file))
    assert told == [(["a"], [str(tmp_path)]), ([], []), ([], [])]
    file.write_text("a = " + "[" * 100_000)
    assert imports_of(file) == ([], [])


def test_a_password_in_odd_places_is_not_shown_either() -> None:
    found = would_run(parse('[redis]\nurl = "redis://h?password=geheim"', FILE))
    assert found["redis"]["url"] == "redis://h:6379"
    with pytest.raises(ConfigError) as caught:
        parse('[redis]\nurl = "redis://:a?geheim@h"', FILE)
    assert "geheim" not in str(caught.value)


def test_what_would_not_run_is_noted() -> None:
    found = notes(
        parse(
            "[groups.m]\nqueues = ['a']\nrunners = 0\norder = 'strict'",
            FILE,
        )
    )
    words = ["no runners", "imports"]
    assert words == [next(word for word in words if word in note) for note in found]
