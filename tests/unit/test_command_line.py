"""``horus-supervisor`` typed wrongly: what it says, and what to type."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from horus_supervisor.supervisor.main import main, start


@pytest.mark.parametrize(
    ("words", "environment", "here", "hint"),
    [
        ([], "", False, "FILE, which horus init writes"),
        ([], "", True, "config.toml"),
        ([], "a b.toml", True, "'a b.toml'"),
        (["shop.toml"], "other.toml", True, "shop.toml"),
    ],
)
def test_without_a_file_it_says_what_to_type(
    words: list[str],
    environment: str,
    here: bool,
    hint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HORUS_CONFIG", environment)
    monkeypatch.setattr(sys, "argv", ["horus-supervisor", *words])
    if here:
        (tmp_path / "config.toml").touch()
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert capsys.readouterr().err.splitlines() == [
        "horus-supervisor: which service? Name its TOML file",
        f"  try: horus-supervisor -c {hint}",
    ]


def test_a_file_that_is_not_there_is_told_with_what_makes_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.toml"
    assert start(file, None) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"horus-supervisor: {file}: can't be read: No such file or directory",
        "  try: -c with your file; horus init writes a first one",
    ]


def test_a_file_that_can_not_be_looked_at_is_told_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As one in a folder of another user's, for who is not root."""
    file = tmp_path / ("x" * 300)
    assert start(file, None) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"horus-supervisor: {file}: can't be read: File name too long"
    ]
