"""Whole configuration files beside what they are read as, or beside the report of their mistakes."""

import json
import os
from pathlib import Path

import pytest

from gateway.config.load import parse
from gateway.errors import ConfigErrors

GOLDEN = Path(__file__).parent / "golden"
RIGHT = sorted((GOLDEN / "right").glob("*.toml"))
WRONG = sorted((GOLDEN / "wrong").glob("*.toml"))
ENVIRON = {
    "WORKERS": "4",
    "HOST": "127.0.0.1",
    "PORT": "8080",
    "SERVICE": "api",
    "SECRET": "hunter2",
    "COOKIE_SECRET": "correct horse battery staple",
    "PASSWORD": "hunter3",
}
REWRITE = "HEADGATE_GOLDEN=write"
"""Set in the environment, the tests write what they see; git shows the difference."""


def compare(seen: str, file: Path) -> None:
    """Compares with a golden file, or writes it."""
    if os.environ.get("HEADGATE_GOLDEN") == "write":
        file.write_text(seen, encoding="utf-8")
    expected = file.read_text(encoding="utf-8") if file.exists() else ""
    assert seen == expected, (
        f"{file.name} differs; when the new one is right: {REWRITE} pytest {Path(__file__).name}"
    )


def read(file: Path) -> str:
    """The text with its own line ends."""
    return file.read_bytes().decode()


@pytest.mark.parametrize("file", RIGHT, ids=lambda file: file.stem)
def test_a_right_file_is_read_as_expected(file: Path) -> None:
    """Every key of a right file has its value, and every other its default."""
    config = parse(read(file), file.name, ENVIRON)
    compare(json.dumps(config.model_dump(mode="json"), indent=2) + "\n", file.with_suffix(".json"))


@pytest.mark.parametrize("file", WRONG, ids=lambda file: file.stem)
def test_a_wrong_file_is_reported_in_full(file: Path) -> None:
    """The report names every mistake with its place, its line and what was expected, and no secret."""
    with pytest.raises(ConfigErrors) as caught:
        parse(read(file), file.name, ENVIRON)
    report = str(caught.value)
    assert ENVIRON["SECRET"] not in report
    compare(report + "\n", file.with_suffix(".report"))


def test_ten_kinds_of_mistakes_are_reported_at_once() -> None:
    """Mistakes of every kind stand in one report: none hides another."""
    file = GOLDEN / "wrong" / "ten_kinds.toml"
    with pytest.raises(ConfigErrors) as caught:
        parse(read(file), file.name, ENVIRON)
    messages = [mistake.message for mistake in caught.value.mistakes]
    assert len(messages) == len(set(messages)) == 12
