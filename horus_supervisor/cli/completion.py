"""``horus completion``: the script by which a shell completes ``horus``."""

from __future__ import annotations

import click

from horus_supervisor.cli import output
from horus_supervisor.cli.asked import Asked, common_options
from horus_supervisor.cli.errors import usage

INSTALL = {
    "bash": 'eval "$(horus completion bash)"    in ~/.bashrc (bash 4.4 or newer)',
    "zsh": 'eval "$(horus completion zsh)"     in ~/.zshrc, after compinit',
    "fish": "horus completion fish > ~/.config/fish/completions/horus.fish",
}
"""Shell -> what to do once."""

EPILOG = "Examples:\n\n\b\n" + "".join(f"  {how}\n" for how in INSTALL.values())


@click.command(epilog=EPILOG)
@click.argument(
    "shell",
    metavar="{bash|zsh|fish}",
    required=False,
    shell_complete=lambda _, __, typed: [one for one in INSTALL if one.startswith(typed)],
)
@common_options
@click.pass_obj
def completion(asked: Asked, shell: str | None) -> None:
    """Print the script by which a shell completes verbs, options, queues and ids.

    Queues and ids are asked of Redis; where that takes more than 0.2 s none are offered.
    """
    if shell not in INSTALL:
        told = f"no completion for {shell!r}:" if shell else "completion for which shell?"
        how = "; ".join(" ".join(line.split()) for line in INSTALL.values())
        raise usage(f"{told} bash, zsh and fish are known", how)
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None  # one of these
    root = click.get_current_context().find_root().command
    # what click's own source() does, but for bash's check of its version, which starts a bash
    maker = kind(root, {}, "horus", "_HORUS_COMPLETE")
    script = maker.source_template % maker.source_vars()
    if asked.json:
        output.print_json(completion={"shell": shell, "script": script})
    else:
        output.say(script)
