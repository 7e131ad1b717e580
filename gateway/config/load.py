"""Reads a configuration: all of it is right, or every mistake in it is reported at once."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from pydantic import ValidationError

from gateway.config.doubts import doubts
from gateway.config.explain import Explainer
from gateway.config.findings import Finding
from gateway.config.interpolate import interpolate, read_file
from gateway.config.rules import broken_rules
from gateway.config.schema import Config
from gateway.config.sources import Sources
from gateway.config.tables import read
from gateway.errors import ConfigErrors, Mistake

Judge = Callable[[Config], Iterable[Finding]]
"""Finds something about a configuration that is right in itself: what is wrong with it beyond that, such as what a running gateway
cannot take; or what is to be told of it.
"""

Heed = Callable[[Mistake], object]
"""Hears of what is right and yet hardly meant."""


def _no_objection(_: Config) -> Iterable[Finding]:
    return ()


def _unheard(_: Mistake) -> None:
    return


def load(
    path: Path,
    environ: Mapping[str, str],
    judge: Judge = _no_objection,
    heed: Heed = _unheard,
    *,
    doubting: Judge = doubts,
) -> Config:
    """The configuration in a file. Raises ConfigErrors with every mistake; any other exception is a bug.

    ``environ`` is what ``${env:NAME}`` looks into; ``judge`` is asked when all else is right. When that has no objection ``heed``
    hears what ``doubting`` finds, which is asked then.
    """
    return parse(read(path), str(path), environ, judge, heed, doubting=doubting)


def parse(
    text: str,
    name: str,
    environ: Mapping[str, str],
    judge: Judge = _no_objection,
    heed: Heed = _unheard,
    *,
    doubting: Judge = doubts,
) -> Config:
    """The configuration in a text and in what it includes. Raises ConfigErrors.

    ``name`` stands for the text in reports, and is where it lies: what it includes is found from there.
    """
    return validated(Sources.of(text, name), environ, judge, heed, doubting=doubting)


def validated(
    sources: Sources,
    environ: Mapping[str, str],
    judge: Judge = _no_objection,
    heed: Heed = _unheard,
    *,
    doubting: Judge = doubts,
) -> Config:
    """The configuration in files that were read. Raises ConfigErrors."""
    resolved, failures = interpolate(sources.data, environ, read_file)
    config: Config | None = None
    invalid: ValidationError | None = None
    try:
        config = Config.model_validate(resolved)
    except ValidationError as error:
        invalid = error
    explainer = Explainer(sources, resolved)
    findings = list(broken_rules(resolved, sources.where))
    if config is not None and not findings and not failures and not sources.mistakes:
        findings = list(judge(config))
        if not findings:
            for doubt in explainer.mistakes((), doubting(config), None):
                heed(doubt)
            return config
    mistakes = explainer.mistakes(failures, findings, invalid)
    raise ConfigErrors(sources.name, [*sources.mistakes, *mistakes])
