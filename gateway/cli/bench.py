"""``headgate bench``: loads a gateway, or any HTTP server, and says what it does and what the figures are worth."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

import click
import orjson

from gateway.benchmark import comparison, result
from gateway.benchmark.access_log import Recording, read_access_log
from gateway.benchmark.bench import Bench, Plan, ScenarioBench
from gateway.benchmark.expectations import judge
from gateway.benchmark.load import Closed, LoadError, Request, Shape, Steady, Step, Target
from gateway.benchmark.measure import GENERATORS
from gateway.benchmark.objective import Constraint
from gateway.benchmark.progress import Progress
from gateway.benchmark.report import page, text
from gateway.benchmark.report.words import aligned
from gateway.benchmark.requests_file import read_body, read_requests
from gateway.benchmark.result import Result
from gateway.benchmark.routes import requests_of_routes
from gateway.benchmark.simulation.scenario import is_scenario, read_scenario
from gateway.cli.admin import FAILED, WRONG_USAGE, find
from gateway.cli.measuring import FILE, until_interrupted, with_unit, write
from gateway.config.load import load
from gateway.config.tables import read, tables
from gateway.config.units import Duration, Rate
from gateway.errors import ConfigErrors

USUAL_DURATION = Duration.parse("15s")


@click.command()
@click.argument("target", metavar="URL|FILE", required=False)
@click.option(
    "--rate",
    metavar="RATE",
    callback=with_unit(Rate),
    help="Send so many requests, such as 500/s, whatever becomes of them.",
)
@click.option("--closed", is_flag=True, help="Send as fast as the target answers.")
@click.option(
    "--duration",
    metavar="TIME",
    callback=with_unit(Duration),
    help=f"How long, in all: {USUAL_DURATION}, or what a scenario says.",
)
@click.option("--connections", type=click.IntRange(1, 20_000), help="In a closed loop so many (32), at a rate at most so many (256).")  # fmt: skip
@click.option("--new-connections", is_flag=True, help="Make a new connection for every request.")
@click.option(
    "--timeout",
    metavar="TIME",
    callback=with_unit(Duration),
    default="10s",
    show_default=True,
    help="Then a request has failed.",
)
@click.option("-X", "--method", help="Method; by default GET, or POST with a body.")
@click.option(
    "-H", "--header", "headers", multiple=True, metavar="NAME: VALUE", help="A header field; may be repeated."
)
@click.option("-d", "--body", metavar="TEXT|@FILE", help="A body.")
@click.option("--requests", "mix", type=FILE, help="Weighted requests from a TOML file ([[requests]]).")
@click.option("--replay", type=FILE, help="Requests of an access log, with their timing.")
@click.option(
    "--speed",
    type=click.FloatRange(0.01, 1000),
    default=1.0,
    show_default=True,
    help="Replay so many times as fast.",
)
@click.option("--unsafe-methods", is_flag=True, help="Replay POST, PUT, DELETE and their like, too.")
@click.option("--insecure", is_flag=True, help="Take any certificate.")
@click.option("--admin", metavar="URL", help="Admin API of the gateway, if it is not found by itself.")
@click.option("--json", "json_file", type=FILE, help="Write the result as JSON.")
@click.option(
    "--html",
    "html_file",
    type=FILE,
    help="Write a report with plots: one file, nothing loaded from elsewhere.",
)
@click.option("--compare", type=FILE, help="Say what has changed since an earlier result (JSON).")
@click.option(
    "--require",
    multiple=True,
    metavar="CONSTRAINT",
    help="What must hold, such as 'p99<50ms'; may be repeated.",
)
@click.option("--doctor", is_flag=True, help="Say which load generators are here, and how to install one.")
@click.pass_context
def bench(ctx: click.Context, /, target: str | None, **options: Any) -> None:
    """Load a gateway, and say what it does and what the figures are worth.

    URL is any HTTP server; FILE is the configuration of a running gateway, whose routes are then asked, or a scenario
    (see bench/scenarios), which brings gateway and instances. Without --rate, --closed or --replay it first finds out how many answers a second there are at the most, and then measures latencies
    at half of that, in 15 s together. Latencies at a rate count from when a request was due, so that no stall is hidden.

    \b
      headgate bench http://127.0.0.1:8080/
      headgate bench gateway.toml --rate 500/s --duration 1m --json before.json
      headgate bench gateway.toml --rate 500/s --duration 1m --compare before.json --html report.html

    What was measured is kept when Ctrl-C ends it. Exits 0, or 1 when the target cannot be measured, stops answering, breaks
    what is required, or the run was interrupted.
    """  # noqa: D301 - \b keeps the lines of the examples apart
    if options["doctor"]:
        click.echo(asyncio.run(_doctor()))
        return
    if target is None:
        raise click.UsageError("name a URL, or the configuration FILE of a running gateway")
    progress = Progress(sys.stderr)
    try:
        earlier = result.read(options["compare"]) if options["compare"] else None
        require = [Constraint.parse(one) for one in options["require"]]
        ended = _measure(_bench(target, options, require, progress), progress)
    except LoadError as error:
        progress.end()
        click.echo(f"headgate: {error}", err=True)
        ctx.exit(FAILED)
    _tell(ended.result, earlier, options)
    if ended.error:
        click.echo(f"headgate: {ended.error}", err=True)
    judged = judge(ended.result.phases[-1], require)
    for judgement in judged:
        click.echo(str(judgement))
    broken = not all(judgement.held for judgement in judged)
    ctx.exit(FAILED if broken or ended.error or ended.result.interrupted else 0)


async def _doctor() -> str:
    """A row for each generator."""
    rows = []
    for generator in GENERATORS:
        version = await generator.version()
        state = f"here, {version}" if version is not None else "not installed"
        rows.append([generator.name, state, f"for {generator.can}"])
    missing = [one for one in GENERATORS if await one.version() is None]
    lines = aligned(rows)
    lines += [f"to install {generator.name}: {generator.install}" for generator in missing]
    closed = [one for one in GENERATORS if one not in missing and one.install]
    lines.append(
        f"Closed loops are made by {closed[0].name}, everything else by {GENERATORS[-1].name} itself."
        if closed
        else "Without one of them there are no closed loops: give a --rate."
    )
    return "\n".join(lines)


def _bench(
    target: str, options: dict[str, Any], require: list[Constraint], progress: Progress
) -> Bench | ScenarioBench:
    """What is to run. What a scenario expects is added to what is required. Raises LoadError."""
    file = Path(target)
    if "://" not in target and _holds_scenario(file):
        given = [name for name in ("rate", "closed", "replay", "mix", "body", "method") if options[name]]
        if given:
            raise click.UsageError(f"a scenario brings its load: {', '.join(given)} cannot be given")
        scenario = read_scenario(file)
        require += scenario.expect
        seconds = options["duration"].seconds if options["duration"] else None
        return ScenarioBench(scenario, target, progress, seconds)
    options["duration"] = options["duration"] or USUAL_DURATION
    return Bench(_plan(target, options), progress)


def _holds_scenario(file: Path) -> bool:
    """Whether a file is one; what cannot be read is told by whoever reads it as a configuration."""
    try:
        return is_scenario(tables(read(file), str(file)))
    except ConfigErrors:
        return False


def _plan(target: str, options: dict[str, Any]) -> Plan:
    """What the command line asks for. Raises LoadError."""
    shapes = [name for name in ("rate", "closed", "replay") if options[name]]
    if len(shapes) > 1:
        raise click.UsageError(f"only one of {' and '.join(f'--{name}' for name in shapes)}")
    if options["mix"] and options["replay"]:
        raise click.UsageError("a log says itself what is asked: only one of --requests and --replay")
    url, requests, admin = _target(target, options)
    notes: list[str] = []
    shape: Shape | None = _shape(options)
    if options["replay"]:
        recording = _recording(options["replay"], options["speed"], unsafe=options["unsafe_methods"])
        requests, shape = recording.requests, recording.replay
        notes = [
            f"{count:,} lines of the log were left out: {why}." for why, count in recording.skipped.items()
        ]
    return Plan(
        url,
        requests,
        shape,
        options["duration"].seconds,
        options["connections"],
        not options["new_connections"],
        options["timeout"].seconds,
        admin,
        notes,
    )


def _recording(log: Path, speed: float, *, unsafe: bool) -> Recording:
    try:
        with log.open(encoding="utf-8", errors="replace") as lines:
            return read_access_log(lines, speed=speed, unsafe=unsafe)
    except OSError as error:
        raise LoadError(f"{log}: {(error.strerror or str(error)).lower()}") from None


def _target(target: str, options: dict[str, Any]) -> tuple[Target, tuple[Request, ...], str | None]:
    """Where to, what is asked unless a log says it, and whose admin API."""
    admin = options["admin"]
    if "://" in target:
        url = Target.parse(target, verify=not options["insecure"])
        requests: tuple[Request, ...] = (Request("", path=url.path),)
    else:
        url, requests, admin = _of_a_running_gateway(Path(target), admin)
    if options["mix"]:
        return url, read_requests(options["mix"]), admin
    return url, tuple(_with_options(request, options) for request in requests), admin


def _of_a_running_gateway(file: Path, admin: str | None) -> tuple[Target, tuple[Request, ...], str]:
    try:
        config = load(file, os.environ)
    except ConfigErrors as error:
        click.echo(str(error), err=True)
        raise click.exceptions.Exit(WRONG_USAGE) from None
    api = find(file, admin)
    status = api.get("/v1/status").document
    urls = [one["url"] for one in status.get("listeners", []) if str(one.get("url", "")).startswith("http")]
    if not urls:
        raise LoadError(f"the gateway at {api.url} has no listener that HTTP can be spoken with")
    return Target.parse(urls[0]), requests_of_routes(config), api.url


def _with_options(request: Request, options: dict[str, Any]) -> Request:
    """A request with the method, fields and body of the command line."""
    fields = tuple(_field(header) for header in options["headers"])
    given = options["body"]
    body = request.body
    if given is not None:
        body = read_body(Path(given[1:])) if given.startswith("@") else given.encode()
    method = (options["method"] or ("POST" if body else request.method)).upper()
    overridden = {name.lower() for name, _ in fields}
    kept = tuple((name, value) for name, value in request.fields if name.lower() not in overridden)
    name = request.name or f"{method} {request.path}"
    return Request(name, method, request.path, (*kept, *fields), body)


def _field(header: str) -> tuple[str, str]:
    name, colon, value = header.partition(":")
    if not colon:
        raise click.BadParameter(f'expected "NAME: VALUE", not {header!r}', param_hint="--header")
    return name.strip(), value.strip()


def _shape(options: dict[str, Any]) -> Shape | None:
    seconds = options["duration"].seconds
    if options["closed"]:
        return Closed(max(1, round(seconds)))
    if options["rate"]:
        rate: Rate = options["rate"]
        return Steady((Step(rate.tokens / rate.period.seconds, seconds),))
    return None


class Ended(NamedTuple):
    """What came of a benchmark."""

    result: Result
    error: str


def _measure(bench: Bench | ScenarioBench, progress: Progress) -> Ended:
    """Runs it; SIGINT and SIGTERM keep what was measured. Raises LoadError when that is nothing."""
    try:
        asyncio.run(until_interrupted(bench.run()))
    except asyncio.CancelledError:
        bench.result.interrupted = True
        if not any(phase.parts for phase in bench.result.phases):
            raise LoadError("interrupted before anything was measured") from None
    except LoadError as error:
        if not any(phase.parts for phase in bench.result.phases):
            raise
        return Ended(bench.result, str(error))
    finally:
        progress.end()
    return Ended(bench.result, "")


def _tell(found: Result, earlier: Result | None, options: dict[str, Any]) -> None:
    """Prints the result and writes the files."""
    changes = comparison.compare(earlier, found) if earlier is not None else []
    against = comparison.objections(earlier, found) if earlier is not None else []
    click.echo(text.render(found))
    if earlier is not None:
        click.echo(f"\n{text.render_comparison(changes, against, str(options['compare']))}")
    if options["json_file"]:
        write(options["json_file"], orjson.dumps(found.to_json()) + b"\n")
    if options["html_file"]:
        write(options["html_file"], page.render(found, changes, against).encode())
