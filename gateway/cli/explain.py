"""``headgate explain``: what becomes of a request and why, told by the engine; or whether a table of expectations is met."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import orjson

from gateway.cli.expectations import read_expectations
from gateway.config.load import load
from gateway.config.schema import Compress, Instance, Route, Service
from gateway.errors import ConfigErrors, Mistake
from gateway.model import ListenMode
from gateway.state.judgement import Answer, Compressed, CrossOrigin
from gateway.supervisor.explain import (
    LOCAL_CLIENT,
    Asked,
    Destination,
    Explainer,
    Told,
    UnaskableError,
)
from gateway.supervisor.rows import NoRowError

UNMET = 1
WRONG_USAGE = 2
MOST_SHOWN = 20
"""Routes that were not taken, of those that have the host and the path."""
ELSEWHERE = ("host", "path")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("method", required=False)
@click.argument("url", required=False)
@click.option("-H", "--header", "headers", multiple=True, metavar="NAME:VALUE", help="A header field.")
@click.option(
    "--client", default=LOCAL_CLIENT, metavar="IP", show_default=True, help="Who sends the request."
)
@click.option(
    "--listener", metavar="ADDRESS", help="Where it comes in, instead of by the port of the URL, or first."
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@click.option(
    "--test", "table", type=click.Path(path_type=Path), help="Check the expectations of a file instead."
)
@click.pass_context
def explain(ctx: click.Context, /, file: Path, **options: Any) -> None:
    """Tell what FILE makes of a request, and why.

    Prints the route, what happens on it, and why other routes were not taken, by the engine's own decisions: nothing is sent, no
    gateway need run. URL may begin with the path. docs/explain.md has the form of expectations, and of the JSON.

    \b
      headgate explain gateway.toml GET http://api.example.com/v1/x -H 'X-Version: two'
      headgate explain gateway.toml --test expectations.toml

    Exits 0; 1 when an expectation is not met; 2 when the file or the command is wrong.
    """  # noqa: D301 - \b keeps the lines of the examples apart
    try:
        explainer = _explainer(file)
        if options["table"] is not None:
            ctx.exit(_tested(explainer, options))
        told = explainer.explain(_asked(options))
    except ConfigErrors as error:
        click.echo(str(error), err=True)
        ctx.exit(WRONG_USAGE)
    except UnaskableError as error:
        raise click.UsageError(str(error)) from None
    if options["as_json"]:
        click.echo(orjson.dumps(document(told), option=orjson.OPT_INDENT_2))
    else:
        click.echo("\n".join(lines(told)))


def _explainer(file: Path) -> Explainer:
    """Raises ConfigErrors, also for what is right in itself and yet no gateway takes."""
    config = load(file, os.environ)
    try:
        return Explainer(config)
    except ValueError as error:
        raise ConfigErrors(str(file), [Mistake(f"the engine refuses it: {error}")]) from None
    except NoRowError as error:
        raise ConfigErrors(str(file), [Mistake(f"a gateway has room for {error.room}", error.key)]) from None


def _asked(options: dict[str, Any]) -> Asked:
    if options["method"] is None or options["url"] is None:
        raise click.UsageError("name a METHOD and a URL, or a table with --test")
    headers = []
    for header in options["headers"]:
        name, colon, value = header.partition(":")
        if not colon:
            raise click.BadParameter(f"expected NAME:VALUE, not {header!r}", param_hint="--header")
        headers.append((name, value.strip()))
    return Asked(options["method"], options["url"], tuple(headers), options["client"], options["listener"])


def _tested(explainer: Explainer, options: dict[str, Any]) -> int:
    """Says which expectations are not met, and returns the exit code. Raises ConfigErrors."""
    if options["method"] is not None or options["headers"]:
        raise click.UsageError("--test brings its requests")
    expectations = read_expectations(options["table"])
    unmet = []
    for expectation in expectations:
        try:
            told = explainer.explain(expectation.asked)
        except UnaskableError as error:
            unmet.append((expectation, str(error)))
            continue
        if difference := expectation.unmet(told):
            unmet.append((expectation, difference))
    if options["as_json"]:
        listed = [{"place": one.place, "request": _line(one.asked), "problem": why} for one, why in unmet]
        click.echo(
            orjson.dumps({"expectations": len(expectations), "unmet": listed}, option=orjson.OPT_INDENT_2)
        )
    else:
        for expectation, why in unmet:
            click.echo(f"{expectation.place}: {_line(expectation.asked)}: {why}")
        click.echo(f"{len(expectations)} expectations, {len(unmet)} not met")
    return UNMET if unmet else 0


def _line(asked: Asked) -> str:
    return f"{asked.method} {asked.url}"


def document(told: Told) -> dict[str, Any]:
    """An explanation as tools read it."""
    own = told.refusal or told.answer
    sides = [_side(destination) for destination in told.destinations]
    whole = sides[0] if len(sides) == 1 else None
    return {
        "listener": told.listener.name,
        "mode": told.listener.mode,
        "client": told.client,
        "host": told.host,
        "path": told.path,
        "route": told.route.name if told.route else None,
        "service": whole["service"] if whole else None,
        "status": own.status if own else None,
        "location": told.answer.location if told.answer else None,
        "compressed": told.compressed._asdict() if told.compressed else None,
        "cross_origin": told.cross_origin._asdict() if told.cross_origin else None,
        "details": told.refusal.details if told.refusal else None,
        "instances": whole["instances"] if whole else [],
        "split": [] if whole else sides,
        "timeouts": _timeouts(told.route) if told.route else {},
        "max_body": str(told.route.max_body) if told.route and told.route.max_body is not None else None,
        "errors": [int(status) for status in told.route.errors or ()] if told.route else [],
        "split_by": told.route.split_by if told.route else None,
        "split_sticky": told.route.split_sticky if told.route else None,
        "mirror": _mirror(told),
        "fault": _fault(told),
        "others": [
            {"route": route.name, "misfit": misfit.what, "name": misfit.name or None}
            for route, misfit in told.others
        ],
    }


def _mirror(told: Told) -> dict[str, Any] | None:
    """Who gets copies of such requests, if they get to an instance."""
    mirror = told.route.mirror if told.route is not None and told.destinations else None
    return {"service": mirror.service, "percent": mirror.percent} if mirror is not None else None


def _fault(told: Told) -> dict[str, Any] | None:
    """What is injected into such requests, if they get past their limits."""
    fault = told.route.fault if told.route is not None and told.destinations else None
    return fault.model_dump(mode="json") if fault is not None else None


def _kinds(fault: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((kind, fault[kind]) for kind in ("abort", "delay") if fault[kind] is not None)


def _side(destination: Destination) -> dict[str, Any]:
    return {
        "service": destination.name,
        "weight": destination.weight,
        "instances": [str(instance.address) for instance in destination.instances],
    }


def lines(told: Told) -> Iterator[str]:
    """An explanation as people read it."""
    if told.listener.mode is ListenMode.TCP:
        yield from _passed(told)
        return
    understood = f"{told.host}{told.path}" or "not understood"
    yield f"request   {understood}, of {told.client}, at {told.listener.name}"
    if told.route is not None:
        yield f"route     {told.route.name}"
        yield from _terms(told.route)
        if told.cross_origin is not None:
            yield f"cors      {_cross_origin(told.cross_origin)}"
        if not _is_preflight(told):
            yield from _maintenance(told.route.name, told.route)
    if told.refusal is not None:
        yield f"answer    {told.refusal.status}: {told.refusal.details}"
    elif told.route is not None:
        if not _is_preflight(told):
            yield from _limits(told.route.name, told.route)
        if told.answer is not None:
            yield f"answer    {told.answer.status}: {_answer(told.answer, told)}"
        if told.destinations:
            yield from _side_of_request(told.route)
        if told.compressed is not None and told.route.compress is not None:
            yield f"compress  {_compressed(told.compressed, told.route.compress)}"
        for destination in told.destinations:
            yield from _destination(destination, told.route)
        if fault := _fault(told):
            parts = (f"{kind} {value} of {fault[f'{kind}_percent']} %" for kind, value in _kinds(fault))
            yield f"fault     {', '.join(parts)}"
        if mirror := _mirror(told):
            yield f"mirror    copies of {mirror['percent']} % to {mirror['service']}"
    yield from _others(told)


def _passed(told: Told) -> Iterator[str]:
    """A connection of which no request is read."""
    yield f"passed    every connection of {told.client}, at {told.listener.name}"
    for destination in told.destinations:
        yield from _maintenance(destination.name, destination.service)
        yield from _service(destination, told.listener.retry.attempts)


def _timeouts(route: Route) -> dict[str, str]:
    own = dict(route.timeouts) if route.timeouts is not None else {}
    return {name: str(timeout) for name, timeout in own.items() if timeout is not None}


def _terms(route: Route) -> Iterator[str]:
    """What the route says in place of service, listener and the whole file."""
    words = [f"{name} {timeout}" for name, timeout in _timeouts(route).items()]
    words += [f"body {route.max_body}"] if route.max_body is not None else []
    words += [f"page {status}" for status in route.errors or ()]
    if words:
        yield f"terms     {', '.join(words)}"


def _maintenance(name: str, owner: Route | Service) -> Iterator[str]:
    if owner.maintenance is not None and owner.maintenance.on:
        admitted = ", ".join(map(str, owner.maintenance.allow)) or "nobody"
        yield f"closed    {name} is under maintenance and lets in {admitted}"


def _limits(name: str, owner: Route | Service) -> Iterator[str]:
    for limit in owner.limit:
        yield f"limit     {limit.name} of {name}: {limit.rate}, burst {limit.burst}, by {', '.join(limit.key)}"
    for bound in owner.concurrency:
        yield f"limit     {bound.name} of {name}: {bound.max} at once, by {', '.join(bound.key) or 'all'}"


def _is_preflight(told: Told) -> bool:
    """Is it answered before maintenance and limits?"""
    return told.cross_origin is not None and told.cross_origin.preflight


def _cross_origin(cross_origin: CrossOrigin) -> str:
    allowed = "allowed" if cross_origin.allowed else "not allowed"
    if cross_origin.preflight:
        return f"a preflight: the origin is {allowed} to ask"
    return f"the origin is {allowed} to read the answer"


def _answer(answer: Answer, told: Told) -> str:
    if answer.location is not None:
        return f"to {answer.location}"
    respond = told.route.respond if told.route and not _is_preflight(told) else None
    return f"{len(respond.body.encode())} bytes of {respond.type}" if respond and respond.body else "no body"


def _side_of_request(route: Route) -> Iterator[str]:
    """What decides for a side of a split before chance does."""
    words = [f"by the name in {route.split_by}"] if route.split_by is not None else []
    words += [f"sticky by {route.split_sticky}"] if route.split_sticky is not None else []
    if words:
        yield f"split     {', '.join(words)}"


def _compressed(compressed: Compressed, rules: Compress) -> str:
    if compressed.coding is None:
        return f"nothing: the request does not ask for {' or '.join(rules.codings)}"
    answers = "public answers" if compressed.public_only else "answers"
    types = f"{len(rules.types)} type{'' if len(rules.types) == 1 else 's'}"
    return f"{answers} of {types} from {rules.min_length} by {compressed.coding}"


def _destination(destination: Destination, route: Route) -> Iterator[str]:
    """A service with its limits and instances; each side of a split begins with its part of the requests."""
    name, service = destination.name, destination.service
    if route.split:
        yield f"split     {destination.weight} % to {name}"
    yield from _maintenance(name, service)
    yield from _limits(name, service)
    yield from _service(destination, route.retry.attempts)


def _service(destination: Destination, tries: int) -> Iterator[str]:
    yield f"service   {destination.name}, by {destination.service.balance}, {tries} more tries"
    for instance in destination.instances:
        yield f"instance  {_instance(instance)}"


def _instance(instance: Instance) -> str:
    words = [str(instance.address)]
    words += [f"weight {instance.weight}"] if instance.weight != 1 else []
    words += ["backup"] if instance.backup else []
    return ", ".join(words)


def _others(told: Told) -> Iterator[str]:
    """Those that have the host and the path first: they are what somebody asks about."""
    near = [(route, misfit) for route, misfit in told.others if misfit.what not in ELSEWHERE]
    for route, misfit in near[:MOST_SHOWN]:
        why = {"precedence": "matches, and is less specific"}.get(
            misfit.what, f"the {misfit.what} {misfit.name}".rstrip() + " does not fit"
        )
        yield f"not       {route.name}: {why}"
    if len(near) > MOST_SHOWN:
        yield f"not       {len(near) - MOST_SHOWN} more routes of this host and path"
    for part in ELSEWHERE:
        if count := sum(misfit.what == part for _, misfit in told.others):
            yield f"not       {count} route{'' if count == 1 else 's'} of another {part}"
