"""``horus completion``: the script by which a shell completes ``horus``."""

from __future__ import annotations

import click

from horus_supervisor.cli import output
from horus_supervisor.cli.wiring import Asked, common_options

SHELLS = ("bash", "zsh", "fish")

EPILOG = """Examples:

\b
  eval "$(horus completion bash)"    in ~/.bashrc (bash 4.4 or newer)
  eval "$(horus completion zsh)"     in ~/.zshrc, after compinit
  horus completion fish > ~/.config/fish/completions/horus.fish
"""


@click.command(epilog=EPILOG)
@click.argument("shell", type=click.Choice(SHELLS))
@common_options
@click.pass_obj
def completion(asked: Asked, shell: str) -> None:
    """Print the script by which a shell completes verbs, options, queues and ids.

    Queues and ids are asked of Redis; where that takes more than 0.2 s none are offered.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None  # one of SHELLS
    root = click.get_current_context().find_root().command
    # what click's own source() does, but for bash's check of its version, which starts a bash
    maker = kind(root, {}, "horus", "_HORUS_COMPLETE")
    script = maker.source_template % maker.source_vars()
    if asked.json:
        output.print_json(completion={"shell": shell, "script": script})
    else:
        output.say(script)
