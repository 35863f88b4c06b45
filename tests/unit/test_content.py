"""A file is read whole, or it is said why not; nothing stays open."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from horus_supervisor.config.content import MOST_BYTES, content
from tests.support.descriptors import open_descriptors


def test_a_pipe_is_read_to_its_end_however_many_pieces_come(tmp_path: Path) -> None:
    pipe, text = tmp_path / "pipe", b"[queues]\n" * 50_000  # more than a pipe holds
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(text,), daemon=True)
    writer.start()
    assert content(pipe, pipes=True) == text
    writer.join()


def test_a_file_may_have_a_mebibyte_and_no_more(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(b"#" * MOST_BYTES)
    assert len(content(file)) == 1 << 20
    file.write_bytes(b"#" * (MOST_BYTES + 1))
    with pytest.raises(OSError, match="longer than 1 MiB"):
        content(file)


def test_what_was_read_and_what_was_refused_is_closed(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.touch()
    before = open_descriptors()
    content(file)
    with pytest.raises(IsADirectoryError):
        content(tmp_path)
    assert open_descriptors() == before
