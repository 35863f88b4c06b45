"""``[redis] url_file``: a secret in a file of its own, which never shows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from horus_supervisor.config.describe import would_run
from horus_supervisor.config.load import load
from horus_supervisor.config.schema import RedisConfig
from horus_supervisor.errors import ConfigError
from tests.support.horus import Horus

URL = "redis://user:geheim@r1:6380/2"


def read(folder: Path, content: bytes | None, name: str = "secret") -> RedisConfig:
    """Load a file whose ``url_file`` holds this."""
    if content is not None:
        (folder / name).write_bytes(content)
    file = folder / "config.toml"
    file.write_text(f"[redis]\nurl_file = '{name}'\n")
    return load(file).redis


def refused(folder: Path, content: bytes | None, name: str = "secret") -> str:
    with pytest.raises(ConfigError) as caught:
        read(folder, content, name)
    [found] = caught.value.mistakes
    assert found.startswith(f"{folder}/config.toml:2: redis.url_file: ")
    assert "geheim" not in found
    return found


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_the_url_is_read_without_the_white_space_behind_it(tmp_path: Path, end: str) -> None:
    assert read(tmp_path, f"{URL}{end}".encode()).url == URL


def test_the_path_is_relative_to_the_toml_file_and_so_is_what_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert read(tmp_path, b"embedded:var/horus\n").url == f"embedded:{tmp_path}/var/horus"


def test_a_link_is_followed_as_mounted_secrets_are_links(tmp_path: Path) -> None:
    (tmp_path / "real").write_text(URL)
    (tmp_path / "secret").symlink_to("real")
    assert read(tmp_path, None).url == URL


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "secret can't be read: No such file or directory"),
        (b"", "secret is empty: write the URL into it"),
        (b"\n \n", "secret is empty"),
        (b"redis://:geheim\xff@h", "secret is not UTF-8: allowed is a URL on one line"),
        (b"redis://:geheim@h\nredis://:geheim@h\n", "allowed is a string of printable characters"),
        (b"geheim", "a Redis URL begins with redis://"),
        (b"redis://:gehe/im@h", "must be percent-encoded"),
        (b"redis+sentinel://:geheim@s1/m", "redis+sentinel:// is not supported"),
        (b"redis://h/" + b"0" * 20_000, "is too long"),
    ],
)
def test_what_can_not_be_read_or_is_no_url_is_told_in_words_without_the_secret(
    tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    assert sentence in refused(tmp_path, content)


def test_what_is_no_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "/dev/zero"):
        assert "can't be read: not a regular file" in refused(tmp_path, None, name)
    assert "can't be read: Is a directory" in refused(tmp_path, None, "folder")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_of_somebody_else_is_told(tmp_path: Path) -> None:
    (tmp_path / "secret").touch(mode=0)
    assert "can't be read: Permission denied" in refused(tmp_path, None)


def test_nothing_shows_the_secret(tmp_path: Path) -> None:
    read(tmp_path, URL.encode())
    config = load(tmp_path / "config.toml")
    assert "geheim" not in repr(config)
    assert "geheim" not in str(would_run(config))


def test_an_error_of_redis_names_the_line_of_the_url_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("redis://:geheim@127.0.0.1:1")
    file = tmp_path / "config.toml"
    file.write_text("[redis]\n\nurl_file = 'secret'\n")
    told = Horus.bare("-c", str(file), "jobs", code=5).stderr
    assert f"127.0.0.1:1 ({file}:3): refused" in told
    assert "geheim" not in told
