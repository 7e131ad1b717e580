"""The effective configuration: complete, the same when it is read again, and without secrets."""

from pathlib import Path
from typing import Any

import pytest

from gateway.config.effective import effective
from gateway.config.load import parse
from gateway.config.schema import Config
from gateway.config.tables import tables
from gateway.config.toml import dumps
from tests.unit.config.test_golden import ENVIRON, RIGHT, read

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.toml"))
REST = '[[listen]]\naddress = "127.0.0.1:80"\n'


def shown(text: str, environ: dict[str, str] | None = None) -> dict[str, Any]:
    """What is shown of a text."""
    return effective(parse(text, "test", environ or {}), tables(text, "test"))


@pytest.mark.parametrize("file", RIGHT + EXAMPLES, ids=lambda file: file.stem)
def test_it_means_the_same(file: Path) -> None:
    """What is shown, read in the same environment, is the same configuration; shown again it is the same text."""
    text = read(file)
    written = dumps(shown(text, ENVIRON))
    assert parse(written, "shown", ENVIRON) == parse(text, "file", ENVIRON)
    assert dumps(shown(written, ENVIRON)) == written


def test_defaults_are_there() -> None:
    """Every key of the model that has a value, in the model's order; what was included is there itself."""
    seen = shown(f'{REST}[services.a]\ninstances = ["10.0.0.1:1"]\n[[routes]]\nservice = "a"\n')
    assert ["include", *seen] == [name for name in Config.model_fields if name != "cluster"]
    assert seen["gateway"]["drain_timeout"] == "30s"
    assert seen["services"]["a"]["instances"] == [{"address": "10.0.0.1:1", "weight": 1, "backup": False}]
    assert seen["routes"] == [{"service": "a", "retry": {"attempts": 2}, "name": "*"}]


def test_what_came_from_outside_is_shown_as_its_reference() -> None:
    """In short forms, in what is derived from it, and in numbers; a ``${`` that means itself stays one."""
    environ = {"HOST": "hidden.example.com", "ADDRESS": "hidden.internal:80", "RATE": "77/s", "WORKERS": "3"}
    text = (
        f'gateway = {{ workers = "${{env:WORKERS}}" }}\n{REST}'
        '[services.a]\ninstances = ["${env:ADDRESS}", { address = "10.0.0.1:1", weight = 2 }]\n'
        '[[routes]]\nhost = "${env:HOST}"\nservice = "a"\nlimit = { rate = "${env:RATE}" }\n'
        '[[routes]]\nname = "$${x}"\nservice = "a"\n'
    )
    seen = shown(text, environ)
    assert seen["gateway"]["workers"] == "${env:WORKERS}"
    assert seen["services"]["a"]["instances"][0]["address"] == "${env:ADDRESS}"
    assert seen["services"]["a"]["instances"][1]["address"] == "10.0.0.1:1"
    first, second = seen["routes"]
    assert first["host"] == "${env:HOST}"
    (limit,) = first["limit"]
    assert limit["rate"] == "${env:RATE}"
    assert not {"name", "burst", "missing"} & limit.keys()
    assert "name" not in first
    assert second["name"] == "$${x}"
    written = dumps(seen)
    assert "hidden" not in written
    assert "77" not in written
    assert parse(written, "shown", environ) == parse(text, "file", environ)


def test_a_default_without_effect_is_left_out() -> None:
    """A file may not write what has no effect, such as a longer line than a whole head."""
    listen = f'{REST}max = {{ head = "1KiB" }}\n'
    text = f'{listen}[services.a]\ninstances = ["10.0.0.1:1"]\nhealth = {{ type = "tcp" }}\n[[routes]]\nservice = "a"\n'
    seen = shown(text)
    assert seen["listen"][0]["max"] == {"head": "1KiB", "fields": 100}
    assert "path" not in seen["services"]["a"]["health"]
    assert parse(dumps(seen), "shown", {}) == parse(text, "file", {})
