"""The reason why an import failed is what it raised, whatever stands around it."""

from __future__ import annotations

import pytest

from horus_supervisor.errors import JobDefinitionError
from horus_supervisor.imports import blame


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("no licence"), "ValueError: no licence"),
        (JobDefinitionError("no execute"), "JobDefinitionError: no execute"),
        (
            SyntaxError("invalid syntax", ("jobs.py", 3, 1, "oops!", 3, 5)),
            "SyntaxError: invalid syntax (jobs.py:3)",
        ),
        (
            ExceptionGroup("two", [ValueError(), KeyError()]),
            "ExceptionGroup: two (2 sub-exceptions)",
        ),
        (ValueError("caf\udce9"), r"ValueError: caf\udce9"),
        (type("Mute", (Exception,), {"__str__": lambda _: 5})(), "<exception str() failed>"),
    ],
)
def test_the_reason_is_what_was_raised_and_no_note(error: Exception, reason: str) -> None:
    error.add_note("it is needed\nfor all jobs")
    error.add_note("ask the office")
    told, _ = blame.in_words(error, ["/app"])
    assert told.endswith(reason)
