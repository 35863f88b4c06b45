"""What the machine chooses from."""

from __future__ import annotations

from hypothesis import strategies as st

HOUR_MS = 3_600_000
OPTIONS = st.fixed_dictionaries(
    {
        "max_attempts": st.sampled_from([1, 2, 3]),
        "max_crashes": st.sampled_from([None, None, 1]),
        "delay_ms": st.sampled_from([None, None, None, HOUR_MS]),
        "expires_after_ms": st.sampled_from([None, None, HOUR_MS]),
        "on_crash": st.sampled_from([False, False, True]),
    }
)
numbers = st.integers(0, 99)  # which one: of those there are, counted round
