"""What a job's own lines say of it, whatever the job calls its fields."""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any

import msgspec

from horus_supervisor.messages import Identity
from horus_supervisor.runner.tell import Teller
from horus_supervisor.runner.voice import Voice
from horus_supervisor.store.rows import Claimed, Packed

ME = Identity(service="shop", host="h1", supervisor="abc", level="info")
MAIL = Packed(2, 0, 0, 0, 0, 12, 0, 0, 0, "emails", "shop.Mail", b'{"to":"ada"}')
CLAIMED = Claimed("mail-1", "emails", 0, MAIL)


def said(event: str, *, args: bool = False, **fields: Any) -> dict[str, Any]:
    """Have a job log a line; gives what came of it."""
    reading, writing = os.pipe()
    me = msgspec.structs.replace(ME, args=args)
    teller = Teller(Voice(writing, me, "emails/1", "emails"), contextlib.nullcontext)
    teller.log_of(CLAIMED).info(event, **fields)
    line = os.read(reading, 1 << 16)
    os.close(reading)
    os.close(writing)
    read: dict[str, Any] = json.loads(line)
    return read


def test_a_jobs_line_tells_which_job_it_is() -> None:
    line = said("sent", to="ada")
    assert (line["job_id"], line["job"], line["queue"]) == ("mail-1", "shop.Mail", "emails")
    assert (line["attempt"], line["runner"], line["to"]) == (3, "emails/1", "ada")
    assert "args" not in line


def test_a_jobs_arguments_are_told_where_they_may_be() -> None:
    assert said("sent", args=True)["args"] == '{"to":"ada"}'


def test_a_jobs_fields_stand_beside_those_of_its_line_by_the_same_name() -> None:
    theirs: dict[str, Any] = {
        "host": "smtp1",
        "queue": "postfix",
        "attempt": 9,
        "job_id": 7,
        "pid": 1,
    }
    line, plain = said("sent", **theirs), said("sent")
    assert {name: line[name] for name in theirs} == {name: plain[name] for name in theirs}
    assert {name: line[f"{name}_"] for name in theirs} == theirs


def test_a_jobs_message_is_its_own() -> None:
    assert said("sent", message="to Ada", host="smtp1")["message"] == "to Ada"
