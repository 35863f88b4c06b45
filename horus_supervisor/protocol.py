"""``python -m horus_supervisor.protocol SCRIPT``: print a script for clients in other languages.

``docs/protocol.md`` says how they call it. Prints exactly the text that Redis is to be sent: its
SHA-1 is the name that EVALSHA knows it by.
"""

from __future__ import annotations

import sys

from horus_supervisor.store.operation import load_script

FOR_CLIENTS = ("enqueue", "find")


def main(words: list[str]) -> int:
    """Print the script that is named. Exit status: 0, or 2 where it is none for clients."""
    if len(words) != 1 or words[0] not in FOR_CLIENTS:
        names = " or ".join(FOR_CLIENTS)
        print(f"python -m horus_supervisor.protocol {names}", file=sys.stderr)
        return 2
    sys.stdout.write(load_script(words[0]).source)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
