"""``headgate reload``: has a running gateway read its file again, and tells what came of it."""

from pathlib import Path
from typing import Any

import click

from gateway.cli.admin import find, of_a_running_gateway
from gateway.errors import Mistake, Place

REFUSED = 1
TIMEOUT_S = 300.0  # beyond every bound of the gateway's own, and one more reload that may be under way


@click.command()
@of_a_running_gateway
@click.pass_context
def reload(ctx: click.Context, file: Path, admin: str | None) -> None:
    """Have the gateway that serves FILE (by default gateway.toml) read it again.

    Returns when the new configuration is in force, and says what changed; or exits 1 with every reason why nothing has
    changed. FILE itself is only asked for the admin address.
    """
    answer = find(file, admin).post("/v1/reload", timeout_s=TIMEOUT_S)
    if answer.document.get("applied") is True:
        click.echo(applied(answer.document))
    else:
        click.echo(refused(answer.document), err=True)
        ctx.exit(REFUSED)


def applied(document: dict[str, Any]) -> str:
    """What is in force now, and what that changed."""
    changes = [f"  {change}" for change in document["changes"]] or ["  nothing changed"]
    warnings = [f"  warning: {warning}" for warning in document["warnings"]]
    return "\n".join([f"reloaded: epoch {document['epoch']} is in force", *changes, *warnings])


def refused(document: dict[str, Any]) -> str:
    """Why nothing has changed, with the place of every mistake."""
    reason = document.get("reason", "the gateway does not say why")
    if "epoch" not in document:
        return f"refused: {reason}"
    mistakes = [f"  {_mistake(mistake).headline()}" for mistake in document["mistakes"]]
    return "\n".join([f"refused, epoch {document['epoch']} stays in force: {reason}", *mistakes])


def _mistake(mistake: dict[str, Any]) -> Mistake:
    line, column = mistake["line"], mistake["column"]
    place = Place(line, column) if line else None
    return Mistake(mistake["message"], mistake["path"], place, file=mistake["file"] or "")
