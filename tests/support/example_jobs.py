"""The example jobs, imported apart from the job classes of tests, which may have the same names."""

from __future__ import annotations

from horus_supervisor.job import definition

_of_the_tests = definition._registry
definition._registry = {}
try:
    from examples import jobs
finally:
    definition._registry = _of_the_tests

__all__ = ["jobs"]
