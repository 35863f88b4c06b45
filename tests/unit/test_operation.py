"""Scripts: how a file and its pieces become one source."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from horus_supervisor.store.encoding import REMEMBERED, Encoder
from horus_supervisor.store.operation import SCRIPTS, Operation, Script, load_script
from horus_supervisor.store.operation import resolve_includes as resolve


def piece(folder: Path, name: str, text: str) -> None:
    (folder / "pieces").mkdir(exist_ok=True)
    (folder / "pieces" / f"{name}.lua").write_text(text)


def test_an_include_line_is_replaced_by_its_piece(tmp_path: Path) -> None:
    piece(tmp_path, "base", "local ns = KEYS[1]\n")
    source = "#!lua\n-- include: base\nreturn {ns}\n"
    assert resolve(source, tmp_path) == "#!lua\nlocal ns = KEYS[1]\nreturn {ns}\n"


def test_a_piece_that_includes_another_is_refused(tmp_path: Path) -> None:
    piece(tmp_path, "outer", "-- include: inner\n")
    piece(tmp_path, "inner", "return 1\n")
    with pytest.raises(ValueError, match="one level deep"):
        resolve("-- include: outer\n", tmp_path)


def test_an_unknown_piece_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        resolve("-- include: nowhere\n", tmp_path)


def test_the_sha_is_that_of_the_source_with_its_pieces() -> None:
    script = load_script("claim")
    assert script.sha == hashlib.sha1(script.source.encode()).hexdigest()
    assert "-- include:" not in script.source


def test_a_script_is_read_once() -> None:
    assert load_script("claim") is load_script("claim")


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.lua")), ids=lambda path: path.stem)
def test_every_script_of_the_store_loads(path: Path) -> None:
    assert load_script(path.stem).name == path.stem


def test_an_operation_is_frozen() -> None:
    operation = Operation(Script.of("one", "return 1"), "{n}:", (), int)
    with pytest.raises(AttributeError):
        operation.prefix = "x"  # type: ignore[misc]


def test_of_arguments_that_come_once_not_all_are_remembered() -> None:
    encoder, script = Encoder(), Script.of("some", "")
    for number in range(2 * REMEMBERED):
        encoder.call(Operation(script, "", (f"queue{number}",), int))
        assert len(encoder._encoded) <= REMEMBERED
