"""Errors as data: what is wrong apart from what to do, and whole behind a pickle."""

from __future__ import annotations

import pickle

import pytest

from horus_supervisor import errors


def test_an_error_says_what_to_do_behind_what_is_wrong() -> None:
    error = errors.RedisAway("no Redis at r1", remedy="start it")
    assert (str(error), error.what, error.remedy) == (
        "no Redis at r1: start it",
        "no Redis at r1",
        "start it",
    )


@pytest.mark.parametrize(
    "error",
    [
        errors.RedisAway("no Redis at r1", remedy="start it"),
        errors.EnqueueUnknown("perhaps", ("one", "two"), ("one",)),
        errors.ConfigError([errors.Mistake("config.toml", "no such key", 3), "another"]),
        errors.Retry("later", after=3.0),
        errors.Discard("too late"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_comes_whole_out_of_a_process_pool(error: errors.HorusError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))
