"""``headgate show``: the whole configuration that a file stands for, every default included."""

import os
from pathlib import Path

import click

from gateway.config import toml
from gateway.config.effective import effective
from gateway.config.load import validated
from gateway.config.sources import Sources
from gateway.config.tables import read
from gateway.errors import ConfigErrors

WRONG_CONFIGURATION = 2


@click.command()
@click.argument("file", default="gateway.toml", type=click.Path(path_type=Path))
@click.pass_context
def show(ctx: click.Context, file: Path) -> None:
    """Show all that FILE stands for (by default gateway.toml), every default included.

    Prints TOML that means the same. What comes from ${env:NAME} or ${file:/path} is shown as that reference, for it may
    be a secret. Exits 2 with all the mistakes on standard error when there are any.
    """
    try:
        sources = Sources.of(read(file), str(file))
        config = validated(sources, os.environ)
        click.echo(toml.dumps(effective(config, sources.data)), nl=False)
    except ConfigErrors as error:
        click.echo(str(error), err=True)
        ctx.exit(WRONG_CONFIGURATION)
