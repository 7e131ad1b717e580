"""The ``headgate`` command: a group whose subcommands are imported only when they are called."""

from importlib import import_module
from typing import NamedTuple

import click


class Entry(NamedTuple):
    """Where a subcommand lives, as ``module:attribute``, and the line that ``headgate --help`` shows for it."""

    place: str
    summary: str


COMMANDS = {
    "run": Entry("gateway.cli.run:run", "Serve what FILE describes."),
    "check": Entry("gateway.cli.check:check", "Tell whether FILE is right, and every mistake in it."),
    "show": Entry("gateway.cli.show:show", "Show all that FILE stands for, every default included."),
    "explain": Entry("gateway.cli.explain:explain", "Tell what FILE makes of a request, and why."),
    "reload": Entry("gateway.cli.reload:reload", "Have a running gateway read its file again."),
    "set": Entry("gateway.cli.overrides:set_", "Change a rate, burst, weight or state at run time."),
    "unset": Entry("gateway.cli.overrides:unset", "Have it be what the file says again."),
    "status": Entry("gateway.cli.status:status", "Show what a running gateway is doing."),
    "bench": Entry("gateway.cli.bench:bench", "Load a gateway, and say what it does."),
    "tune": Entry("gateway.cli.tune:tune", "Find better values for FILE by measuring them."),
    "demo": Entry("gateway.cli.demo:demo", "Run the gateway in front of sample services."),
}


class LazyGroup(click.Group):
    """``check`` must not wait for what ``run`` needs, and a command that cannot be imported takes no other down."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which a newcomer needs them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].place.partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}:{attribute} is no command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands from their entries, without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="headgate", prog_name="headgate")
def main() -> None:
    """Headgate, an HTTP edge gateway: a single ingress in front of your services, from one configuration file."""
