"""A fresh interpreter for a module of ours: how it is started, and where it finds us.

``-P``, and we come last on ``sys.path``: neither the working folder nor what lies beside our
package stands before what job code imports.
"""

from __future__ import annotations

import sys
from pathlib import Path

HOME = str(Path(__file__).resolve().parents[1])
"""The folder that our package lies in, which may be a checkout."""


def command(module: str, *arguments: object) -> list[str]:
    """Write the command that runs ``module.main(*arguments)``, whose result is the exit status."""
    call = f"from {module} import main; sys.exit(main({', '.join(map(repr, arguments))}))"
    code = f"import sys; sys.path.append({HOME!r}); {call}"
    return [sys.executable, "-u", "-P", "-c", code]
