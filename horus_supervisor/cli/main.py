"""``horus``: finds the verb in a table and runs it; every end becomes an exit status here.

A verb's module is imported when the verb is typed, so ``horus --help`` imports neither Redis's
client nor any of them.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from horus_supervisor.cli import errors, output
from horus_supervisor.cli.asked import Asked
from horus_supervisor.cli.errors import Exit
from horus_supervisor.errors import HorusError

VERBS = {
    "init": ("init", "Write a config.toml and a module with a job, to begin with."),
    "status": ("status", "Is all well? Queues, hosts, what to type next."),
    "enqueue": ("enqueue", "Put a job on its queue."),
    "jobs": ("jobs", "Jobs that wait, run or are dead."),
    "show": ("show", "All that is known of one job."),
    "crashes": ("crashes", "Runners that died, the newest first."),
    "crash": ("crash", "All that is known of one crash."),
    "dead": ("jobs", "Jobs that were given up, the newest first."),
    "retry": ("acts", "Give dead jobs a new life."),
    "discard": ("acts", "Give jobs up for good."),
    "pause": ("queues", "Let no job of a queue start."),
    "resume": ("queues", "Let them start again."),
    "purge": ("queues", "Discard what waits in a queue."),
    "run": ("run", "One dead job, alone in this terminal."),
    "work": ("work", "One runner in this terminal, without a supervisor."),
    "doctor": ("doctor", "What is wrong with this machine, this Redis, this file."),
    "completion": ("completion", "The script by which a shell completes horus."),
}
"""Verb -> its module here, and its line in the help."""


class Verbs(click.Group):
    """The verbs by name; imported at first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"horus_supervisor.cli.{VERBS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(name, line) for name, (_, line) in VERBS.items()])

    def shell_complete(
        self, ctx: click.Context, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        from click.shell_completion import CompletionItem

        found = [name for name in VERBS if name.startswith(incomplete)]
        verbs = [CompletionItem(name, help=VERBS[name][1]) for name in found]
        return [*verbs, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from horus_supervisor.cli.meant import instead

            hint = instead(args[0], VERBS, Asked(**ctx.params))
            raise errors.usage(f"there is no verb {args[0]!r}", hint)
        return super().resolve_command(ctx, args)

    def main(self, args: Sequence[str] | None = None, *_: Any, **__: Any) -> NoReturn:
        """Run a command line and exit with its status."""
        words = list(sys.argv[1:] if args is None else args)
        output.open_streams()
        sys.exit(self._status(words))

    def _status(self, words: list[str]) -> int:
        try:
            return super().main(words, "horus", standalone_mode=False) or 0
        except (click.Abort, KeyboardInterrupt):
            failure = errors.Failure("interrupted", Exit.INTERRUPTED)
        except click.ClickException as error:
            failure = errors.of_click(error, next((word for word in words if word in VERBS), ""))
        except HorusError as error:
            failure = errors.in_words(error)
        except UnicodeEncodeError as error:  # Redis's protocol is UTF-8, as all text that we write
            word = next((word for word in words if error.object[error.start] in word), None)
            if word is None:
                raise
            failure = errors.usage(f"{word!r} is no UTF-8, so nothing here has such a name")
        except OSError as error:  # of Redis's nothing comes here: its errors are put in words
            where = f"{error.filename}: " if error.filename else ""
            failure = errors.Failure(f"{where}{error.strerror or error}", Exit.FAILED)
        errors.tell(failure, "--json" in words)
        return failure.code


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        from horus_supervisor import __version__

        click.echo(f"horus {__version__}")
        ctx.exit()


@click.group(
    cls=Verbs,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    subcommand_metavar="VERB ...",
)
@click.option("-c", "--config", metavar="FILE", type=click.Path(), help="The service's TOML file.")
@click.option("--url", metavar="URL", help="Where Redis is, instead of a file.")
@click.option("--namespace", metavar="NS", help="With --url: whose jobs (default: horus).")
@click.option("--json", is_flag=True, help="One JSON object on standard output.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version and exit.",
)
@click.pass_context
def main(
    ctx: click.Context, config: str | None, url: str | None, namespace: str | None, json: bool
) -> None:
    """Look after the background jobs of Horus.

    Without -c and --url: the file HORUS_CONFIG names, the URL HORUS_URL, else config.toml here.
    -c, --url, --namespace and --json may stand behind the verb, too.
    """
    ctx.obj = Asked(config, url, namespace, json)
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(errors.Exit.USAGE)


if __name__ == "__main__":
    main()
