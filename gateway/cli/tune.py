"""``headgate tune``: finds better values for a configuration by measuring them, and writes down those that surely are."""

import asyncio
import os
import random
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson

from gateway.benchmark.load import LoadError, Request
from gateway.benchmark.machine import describe
from gateway.benchmark.objective import Constraint, Objective
from gateway.benchmark.progress import Progress
from gateway.benchmark.report.words import between
from gateway.benchmark.requests_file import read_requests
from gateway.benchmark.routes import requests_of_routes
from gateway.benchmark.simulation.behaviour import parse_option
from gateway.benchmark.simulation.instances import generated
from gateway.benchmark.simulation.scenario import (
    CONFIGURATION,
    instances_of,
    is_scenario,
    parse_scenario,
    simulated,
)
from gateway.benchmark.trial_gateway import Tables, on_free_ports
from gateway.benchmark.tune import page, text
from gateway.benchmark.tune.outcome import Outcome
from gateway.benchmark.tune.rewrite import RewriteError, rewritten
from gateway.benchmark.tune.space import KNOBS, Machine, variations
from gateway.benchmark.tune.sweep import Sweep
from gateway.benchmark.tune.trials import Trials
from gateway.cli.admin import FAILED, WRONG_USAGE
from gateway.cli.measuring import FILE, until_interrupted, with_unit, write
from gateway.config import toml
from gateway.config.load import parse
from gateway.config.paths import KeyPath
from gateway.config.schema import Config
from gateway.config.sources import INCLUDE, Sources
from gateway.config.tables import read, tables
from gateway.config.units import Duration, Rate, Share
from gateway.errors import ConfigErrors

SHORTEST_BUDGET = Duration.parse("20s")
HIGHEST_CONFIDENCE = 99
SEED = 1  # of the order of the rounds


@click.command()
@click.argument("file", default="gateway.toml", type=FILE)
@click.option("--objective", default="latency", show_default=True, metavar="FIGURE", help="What is to become better: latency (geometric mean of p50, p90 and p99), p50, p90, p99, p999, throughput, cpu or errors.")  # fmt: skip
@click.option("--require", "constraints", multiple=True, metavar="CONSTRAINT", help="What must hold, such as 'p99<50ms'; may be repeated.")  # fmt: skip
@click.option("--budget", metavar="TIME", callback=with_unit(Duration), default="5m", show_default=True, help="How long it may take, in all.")  # fmt: skip
@click.option("--confidence", metavar="SHARE", callback=with_unit(Share), default="95%", show_default=True, help="With which all that is claimed holds.")  # fmt: skip
@click.option("--only", metavar="KNOB,...", help=f"Change nothing else than these: {', '.join(KNOBS)}.")
@click.option("--all", "every", is_flag=True, help="Change every knob, also those that clients can notice.")
@click.option("--rate", metavar="RATE", callback=with_unit(Rate), help="Requests a second; by default 40 % of what the file as it is can do.")  # fmt: skip
@click.option("--requests", "mix", type=FILE, help="Weighted requests from a TOML file ([[requests]]); by default one for each route.")  # fmt: skip
@click.option("--connections", type=click.IntRange(1, 20_000), help="At the most so many connections.")
@click.option("--simulate", multiple=True, metavar="KEY=VALUE,...", help="Generated instances instead of one's own: count, latency, p99, failures, drops, capacity, size; may be repeated.")  # fmt: skip
@click.option("--out", type=FILE, help="Where to write the better configuration; by default FILE.tuned.toml.")
@click.option("--json", "json_file", type=FILE, help="Write all that was measured as JSON.")
@click.option(
    "--html",
    "html_file",
    type=FILE,
    help="Write a report with plots: one file, nothing loaded from elsewhere.",
)
@click.pass_context
def tune(ctx: click.Context, /, file: Path, **options: Any) -> None:
    """Find better values for FILE (by default gateway.toml) by measuring them.

    Starts gateways of its own from FILE on free ports, in front of the instances that FILE names (or --simulate, or those of a
    scenario), and loads them in turns. The first half of the time looks for what seems better; in the second half that
    is confirmed in fresh rounds, and only what is better beyond the noise is written to FILE.tuned.toml, with a comment for
    each value.

    \b
      headgate tune gateway.toml --budget 10m --html report.html
      headgate tune gateway.toml --objective cpu --require 'p99<50ms'
      headgate tune gateway.toml --only balance,pool --simulate latency=5ms,p99=80ms --simulate count=2,latency=1ms

    Exits 0, also when nothing helps; 1 when it cannot be measured or was interrupted; 2 for a wrong file.
    """  # noqa: D301 - \b keeps the lines of the examples apart
    progress = Progress(sys.stderr)
    try:
        outcome, source, prefix = _run(file, options, progress)
    except ConfigErrors as error:
        click.echo(str(error), err=True)
        ctx.exit(WRONG_USAGE)
    except LoadError as error:
        progress.end()
        click.echo(f"headgate: {error}", err=True)
        ctx.exit(FAILED)
    click.echo(text.render(outcome))
    if options["json_file"]:
        write(options["json_file"], orjson.dumps(outcome.to_json(), option=orjson.OPT_INDENT_2) + b"\n")
    if options["html_file"]:
        write(options["html_file"], page.render(outcome).encode())
    if outcome.adopted is not None:
        _write_tuned(outcome, source, prefix, options["out"] or file.with_name(f"{file.stem}.tuned.toml"))
    ctx.exit(FAILED if outcome.interrupted else 0)


def _run(file: Path, options: dict[str, Any], progress: Progress) -> tuple[Outcome, str, KeyPath]:
    """The outcome, the text of the file, and where the configuration stands in it. Raises LoadError and ConfigErrors."""
    if options["budget"] < SHORTEST_BUDGET:
        raise click.BadParameter(f"at least {SHORTEST_BUDGET}", param_hint="--budget")
    if options["confidence"].percent > HIGHEST_CONFIDENCE:
        raise click.BadParameter("at most 99%", param_hint="--confidence")
    source = read(file)
    document = tables(source, str(file))
    outcome = Outcome(
        str(file), datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"), describe(),
        Objective.parse(options["objective"]), [Constraint.parse(one) for one in options["constraints"]],
        options["confidence"].percent / 100, "", options["budget"].seconds,
    )  # fmt: skip
    prefix: KeyPath = (CONFIGURATION,) if is_scenario(document) else ()
    run = _Run(file, source, document, options, outcome, progress)
    work = run.scenario() if prefix else run.configuration()
    try:
        asyncio.run(until_interrupted(work))
    except asyncio.CancelledError:
        outcome.interrupted = True
    finally:
        progress.end()
    return outcome, source, prefix


@dataclass(frozen=True, slots=True)
class _Run:
    """One run, as the command line asks for it."""

    file: Path
    source: str
    document: dict[str, Any]
    options: dict[str, Any]
    outcome: Outcome
    progress: Progress

    async def configuration(self) -> None:
        """Tunes a configuration, in front of its own instances or of generated ones."""
        config = parse(self.source, str(self.file), os.environ)
        included = Sources.of(self.source, str(self.file)).data
        trial, notes = on_free_ports({key: table for key, table in included.items() if key != INCLUDE})
        self.outcome.notes += notes
        requests, rate = self._requests() or requests_of_routes(config), self._rate()
        simulate = self.options["simulate"]
        if not simulate:
            await self._sweep(config, trial, requests, rate)
            return
        async with generated(
            {str(index): parse_option(one) for index, one in enumerate(simulate)}
        ) as addresses:
            trial = simulated(trial, [address for group in addresses.values() for address in group])
            self.outcome.notes.append(f"Generated instances: {'; '.join(simulate)}.")
            await self._sweep(parse(toml.dumps(trial), str(self.file), os.environ), trial, requests, rate)

    async def scenario(self) -> None:
        """Tunes the configuration of a scenario against its instances and under its load."""
        if self.options["simulate"]:
            raise LoadError("a scenario brings its instances: --simulate is for configurations")
        scenario = parse_scenario(self.document, str(self.file), self.file.parent)
        async with instances_of(scenario, str(self.file)) as configured:
            config = parse(toml.dumps(configured), str(self.file), os.environ)
            rate = self._rate() or max(step.rate for step in scenario.shape.steps)
            trial, notes = on_free_ports(configured)
            self.outcome.notes += notes
            await self._sweep(config, trial, self._requests() or scenario.requests, rate)

    def _requests(self) -> tuple[Request, ...]:
        return read_requests(self.options["mix"]) if self.options["mix"] else ()

    def _rate(self) -> float | None:
        rate: Rate | None = self.options["rate"]
        return None if rate is None else rate.tokens / rate.period.seconds

    async def _sweep(
        self, config: Config, trial: Tables, requests: tuple[Request, ...], rate: float | None
    ) -> None:
        only = [name.strip() for name in self.options["only"].split(",")] if self.options["only"] else []
        machine = Machine(len(os.sched_getaffinity(0)))
        tried = variations(config, machine, only, every=self.options["every"])
        if not tried:
            raise LoadError("there is nothing to vary: every value of these knobs is the configuration's own")
        closed = self.outcome.objective.figure.key == "throughput"
        trials = Trials(trial, requests, rate, closed, self.options["connections"])
        await Sweep(trials, tried, self.outcome, self.progress, source=random.Random(SEED)).run()  # noqa: S311 - repeatable


def _write_tuned(outcome: Outcome, source: str, prefix: KeyPath, path: Path) -> None:
    """The user's text with the better values; what cannot be written in place is told."""
    finding = outcome.adopted
    assert finding is not None
    assert finding.change is not None
    reason = f"{outcome.objective.figure.key} {between(finding.change)}"
    comments = [
        (change, f"headgate tune, {outcome.started[:10]}: {reason}; was {_was(change.before)}")
        for change in finding.variation.changes
    ]
    try:
        write(path, rewritten(source, comments, prefix).encode())
    except RewriteError as error:
        click.echo(f"headgate: {error}; change by hand: {'; '.join(text.change_story(finding))}", err=True)


def _was(value: Any) -> str:
    return orjson.dumps(value).decode()
