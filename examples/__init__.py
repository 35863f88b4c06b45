"""Example jobs, for ``make run``."""
