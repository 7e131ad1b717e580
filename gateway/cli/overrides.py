"""``headgate set`` and ``headgate unset``: change a value of a running gateway until it is unset, without the file."""

import getpass
import tomllib
from pathlib import Path
from typing import Any

import click

from gateway.cli.admin import find, of_a_running_gateway
from gateway.cli.reload import REFUSED, TIMEOUT_S, refused
from gateway.config.overrides import FORMS

KEY_HELP = f"KEY is {FORMS}; a name that is not bare stands in quotes, as in TOML."

_MARK = "the value"


@click.command("set", epilog=KEY_HELP)
@click.argument("key")
@click.argument("value")
@of_a_running_gateway
@click.pass_context
def set_(ctx: click.Context, key: str, value: str, file: Path, admin: str | None) -> None:
    """Have KEY be VALUE in the gateway that serves FILE (by default gateway.toml).

    It is in force when the command returns, whatever the file says, and until it is unset or the gateway ends.
    """
    _change(ctx, "set", _patch(key, _value(value)), file, admin)


@click.command(epilog=KEY_HELP)
@click.argument("key")
@of_a_running_gateway
@click.pass_context
def unset(ctx: click.Context, key: str, file: Path, admin: str | None) -> None:
    """Have KEY, and all that begins with it, be what FILE says again; ``routes`` and ``services`` are keys, too."""
    _change(ctx, "unset", _patch(key, None), file, admin)


def _change(ctx: click.Context, command: str, patch: dict[str, Any], file: Path, admin: str | None) -> None:
    agent = f"headgate {command}, user {getpass.getuser()}"
    answer = find(file, admin).patch("/v1/overrides", patch, agent=agent, timeout_s=TIMEOUT_S)
    if answer.document.get("applied") is True:
        click.echo("\n".join(answer.document["changes"]) or "nothing changed")
    else:
        click.echo(refused(answer.document), err=True)
        ctx.exit(REFUSED)


def _patch(key: str, value: Any) -> dict[str, Any]:
    """The tables that a dotted key stands for, with the value in the innermost."""
    try:
        patch = tomllib.loads(f"{key} = '{_MARK}'")
    except tomllib.TOMLDecodeError:
        patch = {}
    table, inner = patch, next(iter(patch.values()), None)
    while isinstance(inner, dict):
        table, inner = inner, next(iter(inner.values()), None)
    if inner != _MARK:  # whatever it was, it was no key alone
        raise click.BadParameter(f"expected {FORMS}", param_hint="KEY")
    table[next(iter(table))] = value
    return patch


def _value(text: str) -> Any:
    """A whole number as a number, everything else as text."""
    return int(text) if text.isascii() and text.isdigit() else text
