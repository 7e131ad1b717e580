"""Judges cases of the Gateway API's conformance suite: ``python -m tests.conformance.gateway_api DIRECTORY``.

DIRECTORY has the manifests as ``NAME.yaml`` and the cases in ``cases.jsonl``, an object a line: ``id``, ``test``, ``manifests`` (paths
whose last part is a file here) and ``case``, as the suite has it (``Request``, ``Response``, ``RedirectRequest``, ``ExpectedRequest``,
``Backend``). Nothing of them belongs to this project. Reading the manifests takes PyYAML, which nothing else here needs.

Every case is passed, or listed with what we do not have, or failed with what it got instead; the exit code is 1 if any failed.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-not-found, import-untyped, unused-ignore]

from gateway.errors import ConfigErrors
from tests.conformance.gateway_api.judge import Served
from tests.conformance.gateway_api.translate import UnsupportedError, translate

REFUSED = "leads to where it came from"
"""A redirect that changes nothing but the status is a mistake for us: its client would ask for ever."""


def main(directory: Path) -> int:
    """Judges all cases; the exit code."""
    rows = [json.loads(line) for line in (directory / "cases.jsonl").read_text(encoding="utf-8").splitlines()]
    tests: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        tests.setdefault(row["test"], []).append(row)
    verdicts: Counter[str] = Counter()
    for name, cases in tests.items():
        for case, verdict, reason in judged(directory, cases):
            verdicts[verdict] += 1
            if verdict != "passed":
                print(f"{verdict}: {case['id']}: {reason}")
        print(f"==> {name}: {len(cases)} cases", flush=True)
    print(", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common()))
    return 1 if verdicts["failed"] else 0


def judged(directory: Path, cases: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Each case of one test with its verdict and the reason for it.

    A case does not say which of several gateways it asks. A test goes through them in their order, so a path that comes again
    is the first that is asked of the next one.
    """
    files = [directory / Path(name).name for name in cases[0]["manifests"]]
    manifests = [it for file in files for it in yaml.safe_load_all(file.read_text(encoding="utf-8")) if it]
    try:
        gateways = translate(manifests)
        served = [Served(gateway) if gateway.ports else None for gateway in gateways]
    except UnsupportedError as error:
        yield from ((case, "unsupported", str(error)) for case in cases)
        return
    except ConfigErrors as error:
        mistakes = "; ".join(mistake.headline() for mistake in error.mistakes)
        verdict = "unsupported" if REFUSED in mistakes else "failed"
        yield from ((case, verdict, mistakes) for case in cases)
        return
    asked: Counter[str] = Counter()
    number = 0
    for case in cases:
        path = case["case"]["Request"]["Path"]
        number = min(max(number, asked[path]), len(served) - 1)
        asked[path] += 1
        if (gateway := served[number]) is None:
            yield case, "unsupported", f"the gateway {gateways[number].name}, which the manifests do not have"
            continue
        differences = gateway.differences(case["case"])
        yield case, "failed" if differences else "passed", "; ".join(differences)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    sys.exit(main(Path(sys.argv[1])))
