"""The list of behaviours is complete: each has rows here or a test elsewhere, and no row shows what is not listed."""

import ast
import re
from pathlib import Path

import pytest

from tests.conformance.behaviours import BEHAVIOURS, ELSEWHERE
from tests.conformance.request_rows import rows as request_rows
from tests.conformance.response_rows import rows as response_rows

ROOT = Path(__file__).parents[2]
SHOWN = {row.behaviour for row in request_rows()} | {row.behaviour for row in response_rows()}


def test_every_behaviour_is_shown() -> None:
    """By rows, by tests that are named, or by both."""
    assert SHOWN | ELSEWHERE.keys() == BEHAVIOURS.keys()


@pytest.mark.parametrize("place", sorted({place for places in ELSEWHERE.values() for place in places}))
def test_named_tests_exist(place: str) -> None:
    """A test that was renamed or removed is missed."""
    file, _, name = place.partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


NO_ATTACKS = {"H08", "O04", "O06", "W01"}
"""Behaviours of these groups that nobody attacks by."""


def test_the_page_of_attacks_names_what_exists() -> None:
    """Every behaviour about smuggling, routing and exhaustion stands on the page, and no behaviour or test that does not exist."""
    page = (ROOT / "docs" / "attacks.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b[A-Z][0-9]{2}\b", page))
    assert named <= BEHAVIOURS.keys()
    assert {name for name in BEHAVIOURS if name[0] in "FTHUOWA"} - NO_ATTACKS - named == set()
    tests = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py"))
    assert set(re.findall("`(test_[a-z0-9_]+)`", page)) <= set(re.findall(r"def (test_\w+)\(", tests))
