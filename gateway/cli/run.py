"""``headgate run``: serves what a configuration file describes until it is told to stop."""

from pathlib import Path

import click

from gateway.errors import ConfigErrors
from gateway.supervisor import main as supervisor
from gateway.supervisor.failure import StartError

FAILED = 1
WRONG_CONFIGURATION = 2


@click.command()
@click.argument("file", default="gateway.toml", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--pid-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the supervisor's pid to this file.",
)
@click.pass_context
def run(ctx: click.Context, file: Path, pid_file: Path | None) -> None:
    """Serve what FILE describes (by default gateway.toml).

    Prints one line of JSON on standard output when it serves; logs go to standard error. SIGTERM and SIGINT let
    requests finish and end the gateway, a second one ends it at once.
    """
    try:
        supervisor.run(file, pid_file)
    except ConfigErrors as error:
        click.echo(str(error), err=True)
        ctx.exit(WRONG_CONFIGURATION)
    except StartError as error:
        click.echo(f"headgate: {error}", err=True)
        ctx.exit(FAILED)
