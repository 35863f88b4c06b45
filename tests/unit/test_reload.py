"""The edited file: when it is taken, what of it counts."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from horus_supervisor import logs
from horus_supervisor.config import content
from horus_supervisor.config.load import load, parse
from horus_supervisor.config.schema import Config
from horus_supervisor.errors import ConfigError
from horus_supervisor.supervisor import boots, reload
from horus_supervisor.supervisor.reload import (
    RECENT_S,
    STILL_S,
    Settings,
    Watch,
    changes,
    read,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text("one")
    return path


@pytest.fixture
def watch(file: Path) -> Watch:
    return Watch(file)


def taken(watch: Watch, now: float) -> bool:
    """Look, and again when the content has held still."""
    return watch.look(now) or watch.look(now + STILL_S)


def test_a_file_that_nobody_edits_is_not_taken(watch: Watch) -> None:
    assert not any(watch.look(float(now)) for now in range(10))


def test_an_edit_is_taken_once_it_has_held_still(file: Path, watch: Watch) -> None:
    file.write_text("two")
    assert not watch.look(100)
    assert not watch.look(100 + STILL_S - 0.01)
    assert watch.look(100 + STILL_S)
    assert not watch.look(200)


def test_a_file_that_is_written_in_pieces_is_taken_when_it_is_done(
    file: Path, watch: Watch
) -> None:
    now = 100.0
    for piece in range(10):
        with file.open("a") as open_file:
            open_file.write(f"piece {piece}\n")
        assert not watch.look(now)
        now += STILL_S * 0.9
    assert watch.look(now + STILL_S)


def test_a_file_that_lost_its_content_takes_no_runner_away(file: Path) -> None:
    """A full disk cuts it off, a crash of the host leaves zeros."""
    in_force = parse("[queues]\nq = 1\n", file)
    for text in ("", "\n", "\0" * 4096):
        file.write_text(text)
        with pytest.raises(ConfigError, match="empty"):
            read(file, in_force)


def test_an_edit_that_was_undone_is_none(file: Path, watch: Watch) -> None:
    file.write_text("two")
    assert not watch.look(100)
    file.write_text("one")
    assert not taken(watch, 100 + STILL_S)


def test_touching_a_file_is_no_edit(file: Path, watch: Watch) -> None:
    os.utime(file, (1, 1))
    assert not taken(watch, 100)


def test_an_edit_of_the_same_size_is_taken(file: Path, watch: Watch) -> None:
    file.write_text("two")
    assert taken(watch, 100)


def test_an_edit_that_leaves_every_stamp_as_it_was_is_taken_where_it_follows_another(
    file: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("two")
    assert taken(watch, 100)
    same = file.stat()
    file.write_text("six")
    monkeypatch.setattr(Path, "stat", lambda *_: same)
    assert taken(watch, 101)


def test_a_file_whose_stamps_are_old_is_not_read_again(
    file: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> bytes:
        raise AssertionError("read though nothing changed")

    monkeypatch.setattr(reload, "content", refuse)
    assert not watch.look(RECENT_S + 1)


def test_a_rename_over_the_file_is_taken(file: Path, watch: Watch) -> None:
    scratch = file.with_suffix(".new")
    scratch.write_text("two")
    scratch.replace(file)
    assert taken(watch, 100)


def test_a_file_that_is_missing_for_a_moment_is_the_same_file(file: Path, watch: Watch) -> None:
    away = file.rename(file.with_suffix(".away"))
    assert not watch.look(100)
    away.rename(file)
    assert not taken(watch, 100.1)


def test_a_folder_that_comes_back_brings_the_file_that_was_in_it(tmp_path: Path) -> None:
    folder, away = tmp_path / "folder", tmp_path / "away"
    folder.mkdir()
    (folder / "config.toml").write_text("one")
    watch = Watch(folder / "config.toml")
    folder.rename(away)
    assert taken(watch, 100)
    away.rename(folder)
    assert taken(watch, 200)


def test_a_file_that_stays_missing_is_told_once_and_so_is_its_return(
    file: Path, watch: Watch
) -> None:
    away = file.rename(file.with_suffix(".away"))
    assert taken(watch, 100)
    assert not taken(watch, 110)
    away.rename(file)
    assert taken(watch, 120)


@pytest.mark.parametrize("what", ["pipe", "/dev/zero", "/dev/ptmx"])
def test_what_keeps_its_reader_waiting_is_told_once_and_refused(
    file: Path, watch: Watch, what: str
) -> None:
    file.unlink()
    os.mkfifo(file) if what == "pipe" else file.symlink_to(what)
    assert taken(watch, 100)
    assert not taken(watch, 110)
    with pytest.raises(ConfigError, match="can't be read: not a regular file"):
        read(file, config(BEFORE))


def test_a_file_without_end_is_refused(file: Path, watch: Watch) -> None:
    os.truncate(file, 1 << 40)
    assert taken(watch, 100)
    with pytest.raises(ConfigError, match="can't be read: longer than 1 MiB"):
        read(file, config(BEFORE))


def test_a_pipe_is_read_to_its_end_or_not_waited_for(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.unlink()
    os.mkfifo(file)
    writer = os.open(file, os.O_RDWR)
    os.write(writer, BEFORE.encode())
    monkeypatch.setattr(content, "PIPE_S", 0.05)
    with pytest.raises(ConfigError, match="nobody wrote it to its end"):
        load(file, pipes=True)
    os.close(writer)
    writing = f"printf '{BEFORE}' > {file}"
    monkeypatch.setattr(content, "PIPE_S", 60.0)
    with subprocess.Popen(["sh", "-c", writing]):
        assert load(file, pipes=True).groups == config(BEFORE).groups


def test_a_link_that_is_swapped_on_the_way_to_the_file_is_followed(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.toml").write_text(name)
    current = tmp_path / "current"
    current.symlink_to("first")
    watch = Watch(current / "config.toml")
    swap = tmp_path / "swap"
    swap.symlink_to("second")
    swap.replace(current)
    assert taken(watch, 100)


def test_at_once_does_not_wait_for_it_to_hold_still(file: Path, watch: Watch) -> None:
    assert not watch.look(99, at_once=True)
    file.write_text("two")
    assert watch.look(100, at_once=True)


# --- what is read ------------------------------------------------------------------------------

BEFORE = """
[supervisor]
imports = ["app"]
[queues]
a = 1
b = 2
"""


def config(text: str) -> Config:
    return parse(text, Path("/srv/config.toml"))


def test_what_needs_a_restart_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    in_force = parse(BEFORE, path)
    path.write_text(BEFORE.replace("imports", 'lease = "9s"\nimports') + '[log]\nlevel = "debug"\n')
    assert read(path, in_force)[1] == ["supervisor.lease", "log.level"]
    path.write_text('[redis]\nurl = "redis://elsewhere"\n' + BEFORE)
    assert read(path, in_force)[1] == ["redis.url"]
    path.write_text(BEFORE.replace('["app"]', '["other"]'))
    assert read(path, in_force)[1] == [], "what is imported needs a SIGHUP only"
    path.write_text(BEFORE.replace("a = 1", "a = 5"))
    after, restart = read(path, in_force)
    assert restart == []
    assert [group.runners for group in after.groups] == [5, 2]


def test_a_byte_order_mark_is_read_over_at_every_save_too(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(BEFORE, encoding="utf-8-sig")
    assert read(path, config(BEFORE))[0].groups == config(BEFORE).groups


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"not = [ toml", b"[queues]\na = -1\n"])
def test_a_file_that_can_not_be_taken_is_refused_in_words(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "config.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        read(path, config(BEFORE))
    assert all(
        "config.toml" in mistake or "queues.a" in mistake for mistake in refused.value.mistakes
    )


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (("a = 1", "a = 3"), "a 1 -> 3"),
        (("a = 1\n", ""), "a vanishes"),
        (("b = 2", "b = 2\nc = 1"), "c appears"),
        (
            ("[queues]", '[defaults]\njob_timeout = "5s"\n[queues]'),
            "a has new settings, b has new settings",
        ),
        (("[queues]", '[log]\nlevel = "debug"\n[queues]'), "nothing that runs has changed"),
    ],
)
def test_what_changed_is_told_in_words(edit: tuple[str, str], told: str) -> None:
    assert changes(config(BEFORE), config(BEFORE.replace(*edit))) == told


def test_what_a_file_would_import_waits_where_it_is_not_what_runs(file: Path) -> None:
    def write(module: str) -> None:
        file.write_text(f'[supervisor]\nimports = ["{module}"]\n[queues]\nq = 1\n')

    def waits(at: float) -> list[str] | None:
        assert not settings.look(at, log, code)
        assert settings.look(at + STILL_S, log, code)
        found: list[str] | None = json.loads(lines[-1]).get("needs_restart")
        return found

    write("jobs")
    settings, code = Settings(load(file), Watch(file)), boots.template(load(file))
    lines: list[bytes] = []
    log = logs.bind(lines.append, {})
    write("more")
    assert waits(100) == ["supervisor.imports"]
    assert settings.look(200, log, code, at_once=True)  # a SIGHUP, whose code is refused
    told = json.loads(lines[-1])
    assert (told["changes"], "needs_restart" in told) == ("nothing was edited", False)
    assert settings.config.supervisor.imports == ("more",)
    write("jobs")
    assert waits(300) is None


class Edited:
    """A file's settings in force, and the file at hand."""

    def __init__(self, file: Path, text: str) -> None:
        self._file = file
        file.write_text(text)
        config = load(file)
        self.settings = Settings(config, Watch(file))
        self._code = boots.template(config)

    def taken(self, text: str, now: float, *, at_once: bool = False) -> bool:
        """Edit it, and look until it has held still."""
        self._file.write_text(text)
        looks = (now,) if at_once else (now, now + STILL_S)
        log = logs.bind(lambda _: None, {})
        return [self.settings.look(at, log, self._code, at_once=at_once) for at in looks][-1]


def test_a_save_is_taken_by_a_sighup_alone_where_the_file_says_so(file: Path) -> None:
    text = "[supervisor]\nreload_on_save = false\n" + BEFORE.partition("\n[supervisor]\n")[2]
    edited = Edited(file, text)
    more = text.replace("a = 1", "a = 2")
    assert not edited.taken(more, 100)
    assert "a/2" not in edited.settings.seats
    assert edited.taken(more, 200, at_once=True)
    assert "a/2" in edited.settings.seats


def test_what_needs_a_restart_is_not_in_force_before(file: Path) -> None:
    edited = Edited(file, BEFORE)
    before = edited.settings.config
    more = BEFORE.replace('imports = ["app"]', 'imports = ["more"]\nlease = "9s"')
    assert edited.taken(more.replace("a = 1", "a = 2") + '[log]\nlevel = "debug"\n', 100)
    after = edited.settings.config
    assert (after.log, after.redis) == (before.log, before.redis)
    assert after.supervisor.lease_s == before.supervisor.lease_s
    assert after.supervisor.imports == ("more",), "for the next SIGHUP"
    assert "a/2" in edited.settings.seats


def test_a_group_that_grows_changes_nothing_for_the_runners_that_it_has(file: Path) -> None:
    edited = Edited(file, BEFORE)
    before = edited.settings.seats
    assert edited.taken(BEFORE.replace("a = 1", "a = 3"), 100)
    after = edited.settings.seats
    assert after.keys() - before.keys() == {"a/2", "a/3"}
    assert {runner: after[runner] for runner in before} == before
