"""``headgate check``: tells whether a configuration file is right, and otherwise every mistake in it."""

import os
from pathlib import Path

import click

from gateway.config.load import load
from gateway.config.schema import Config
from gateway.config.units import Size
from gateway.errors import ConfigErrors, Mistake
from gateway.state.control import Segment
from gateway.supervisor.memory import capacities

WRONG_CONFIGURATION = 2
MEBIBYTE = 1 << 20


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_context
def check(ctx: click.Context, file: Path) -> None:
    """Tell whether FILE is right, and otherwise every mistake in it.

    Exits 0 with one line on standard output that sums the file up, or 2 with all the mistakes on standard error. What is right and
    yet hardly meant is a warning there.
    """

    def warn(doubt: Mistake) -> None:
        click.echo(f"warning: {doubt.headline(str(file))}", err=True)

    try:
        config = load(file, os.environ, heed=warn)
    except ConfigErrors as error:
        click.echo(str(error), err=True)
        ctx.exit(WRONG_CONFIGURATION)
    click.echo(f"{file}: {summary(config, memory_size(config))}")


def memory_size(config: Config) -> Size:
    """Address space that the shared memory of this configuration takes here; what is not used takes no memory."""
    workers = config.gateway.worker_count(len(os.sched_getaffinity(0)))
    return Size(Segment.size_for(**capacities(config, workers).arguments()))


def summary(config: Config, memory: Size) -> str:
    """What a configuration contains, in one line."""
    counts = (
        (len(config.listen), "listener"),
        (len(config.services), "service"),
        (sum(len(service.instances) for service in config.services.values()), "instance"),
        (len(config.routes), "route"),
        (config.limit_count(), "limit"),
    )
    parts = [f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts]
    return ", ".join([*parts, f"{memory.bytes / MEBIBYTE:.1f} MiB of shared memory"])
