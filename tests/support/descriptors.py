"""What this process has open."""

from __future__ import annotations

import gc
import os


def open_descriptors() -> list[str]:
    """List the numbers that are open, less what other tests left for the collector to close."""
    gc.collect()
    return sorted(os.listdir("/proc/self/fd"))
