"""Every example is a configuration with which the gateway starts."""

import re
from pathlib import Path

import pytest

from tests.helpers import Gateway
from tests.helpers.gateway import run_to_end

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {"COOKIE_SECRET": "a secret of the examples"}
"""What examples refer to."""
EXAMPLES = sorted((ROOT / "examples").glob("*.toml"))


def test_there_are_examples() -> None:
    """The folder was found."""
    assert {path.name for path in EXAMPLES} >= {"quickstart.toml", "smallest.toml"}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
async def test_an_example_is_right(path: Path) -> None:
    """`headgate check` has nothing to say against it as it stands."""
    code, _, err = await run_to_end("", "check", file=str(path), environment=ENVIRONMENT)
    assert (code, err) == (0, "")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
async def test_an_example_starts(path: Path) -> None:
    """The gateway serves it, on free ports."""
    text = re.sub(
        r'((?:address|admin) = )"(?:0\.0\.0\.0|127\.0\.0\.1):(8080|9901)"',
        r'\1"127.0.0.1:0"',
        path.read_text(),
    )
    if "admin" not in text:
        text = '[gateway]\nadmin = "127.0.0.1:0"\n\n' + text
    async with Gateway(text, environment=ENVIRONMENT) as gateway:
        assert (await gateway.get("/ready"))[0] == 200
