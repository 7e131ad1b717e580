"""What ``bench`` and ``tune`` share: options with units, an end by Ctrl-C that keeps what was measured, and files."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click

from gateway.config.units import Duration, Rate, Share
from gateway.errors import InvalidValueError

FILE = click.Path(path_type=Path, dir_okay=False)


def with_unit(kind: type[Duration] | type[Rate] | type[Share]) -> Callable[..., Any]:
    """Reads an option's value as a configuration file writes it."""

    def read(_: click.Context, __: click.Parameter, value: str | None) -> Duration | Rate | Share | None:
        try:
            return None if value is None else kind.parse(value)
        except InvalidValueError as error:
            raise click.BadParameter(f"{error}{f': {error.hint}' if error.hint else ''}") from None

    return read


async def until_interrupted(work: Coroutine[Any, Any, None]) -> None:
    """Does the work; SIGINT, SIGTERM and SIGHUP cancel it, once. Raises CancelledError then."""
    task = asyncio.ensure_future(work)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, _cancel_once, task)
    await task


def _cancel_once(task: "asyncio.Future[None]") -> None:
    """A second signal must not break off the end that the first one began."""
    if not getattr(task, "cancelling", int)():
        task.cancel()


def write(path: Path, content: bytes) -> None:
    """Writes a file and says so."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise click.ClickException(f"{path}: {(error.strerror or str(error)).lower()}") from None
    click.echo(f"wrote {path}", err=True)
