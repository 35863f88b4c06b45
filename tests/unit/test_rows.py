"""What is no answer to a claim is told from one, whatever else Redis has to say."""

from __future__ import annotations

from typing import Any

import pytest

from horus_supervisor.store.rows import read_turn


@pytest.mark.parametrize(
    "reply", [[b"subscribe", b"news", 1], [b"a key"], [b"key", b"key"], [b"maxmemory", b"0"]]
)
def test_the_reply_to_another_call_is_no_turn(reply: list[Any]) -> None:
    with pytest.raises(ValueError, match="is none of"):
        read_turn(reply)
