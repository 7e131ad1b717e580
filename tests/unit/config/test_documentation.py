"""docs/configuration.md says what the model says."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from gateway.config.compression import DEFAULT_TYPES
from gateway.config.draft import submodel
from gateway.config.load import parse
from gateway.config.schema import Config
from gateway.errors import ConfigErrors
from gateway.model import ERROR_STATUSES

PAGE = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text(encoding="utf-8")
HEADINGS = {"`[gateway]`": "gateway", "`[log]`": "log", "`[cluster]`": "cluster", "`[errors.STATUS]`": "errors", "`[[listen]]`": "listen", "`[services.NAME]`": "services",
            "`[[routes]]`": "routes"}  # fmt: skip
DESCRIBED_IN_WORDS = {"required", "no bound", "none", "not probed", "one second of rate", "from the match",
                      "the weight", "all instances", "every host", "every path", "every method"}  # fmt: skip


def documented() -> dict[str, tuple[str, str]]:
    """(type, default) of every key in the tables of the page, by section and key."""
    rows = {}
    for part in PAGE.split("\n### ")[1:]:
        heading, _, text = part.partition("\n")
        for key, kind, default in re.findall(
            r"^\| `([a-z_\[\].]+)` \| (.*?) \| (.*?) \|", text, re.MULTILINE
        ):
            rows[f"{HEADINGS[heading]}.{key}"] = (kind, default)
    return rows


def keys(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, object]]:
    """Every key of the model with its default as written in a file; `required` where it must be given."""
    for name, field in model.model_fields.items():
        inner = submodel(field.annotation)
        full = f"{path}.{name}" if path else name
        is_list = "tuple" in str(field.annotation)
        is_optional = type(None) in get_args(field.annotation)
        if inner is None or is_list or is_optional:
            yield full, "required" if field.is_required() else field.default
        if inner is not None:
            yield from keys(inner, f"{full}[]" if is_list and path else full)


MODEL = {key: default for key, default in keys(Config) if "." in key}


def test_every_key_is_documented_and_nothing_else() -> None:
    """The tables have the keys of the model, no more and no less."""
    assert documented().keys() == MODEL.keys()


@pytest.mark.parametrize("key", MODEL)
def test_defaults_are_those_of_the_model(key: str) -> None:
    """A default in a table can be copied into a file and changes nothing."""
    default, seen = MODEL[key], documented()[key][1]
    if seen in DESCRIBED_IN_WORDS:
        assert default == "required" if seen == "required" else not default or "Undefined" in repr(default)
    elif seen == "text and the like":
        assert default == DEFAULT_TYPES
    elif isinstance(default, tuple):  # one stands without its brackets
        assert seen == f"`{json.dumps(default if len(default) > 1 else default[0])}`"
    elif seen == "all defaults":
        assert default == type(default)()
    else:
        bare = json.dumps(default) if isinstance(default, int) else f'"{default}"'
        assert seen == f"`{bare}`"


@pytest.mark.parametrize("example", re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))
def test_examples_are_right(example: str) -> None:
    """Each example is a right file, or becomes one with what it leaves out."""
    if "[services." not in example:
        example += '\n[services.api]\ninstances = ["a:1"]\n'
    for header, text in (("[[listen]]", 'address = "127.0.0.1:0"'), ("[[routes]]", 'service = "api"')):
        if header not in example:
            example += f"\n{header}\n{text}\n"
    parse(
        example,
        "example",
        {
            "WORKERS": "2",
            "PORT": "8080",
            "COOKIE_SECRET": "a secret of the page",
            "REDIS_PASSWORD": "p",
            "CLUSTER_SECRET": "another of the page",
        },
    )


def test_the_report_is_the_one_that_is_shown() -> None:
    """The example of a report is what the gateway writes."""
    blocks = re.findall(r"```\n(gateway\.toml:.*?)```", PAGE, re.DOTALL)
    lines = {int(number): text for number, text in re.findall(r"^ *(\d+) \| (.*)$", blocks[0], re.MULTILINE)}
    text = '[[listen]]\naddress = "127.0.0.1:0"\n' + "\n" * 6 + '[services.api]\n\ninstances = ["a:1"]\n'
    text += f"{lines[12]}\n\n\n\n[[routes]]\n{lines[17]}\n"
    with pytest.raises(ConfigErrors) as caught:
        parse(text, "gateway.toml", {})
    assert f"{caught.value}\n" == blocks[0]


def test_types_that_are_compressed_are_listed() -> None:
    """docs/behaviour.md names those that are compressed where nothing else is said, and no others."""
    page = (Path(__file__).parents[3] / "docs" / "behaviour.md").read_text(encoding="utf-8")
    (listed,) = re.findall(r"^Unless `types` says otherwise: (.*?)\.$", page, re.MULTILINE | re.DOTALL)
    assert tuple(re.findall(r"`(.+?)`", listed)) == DEFAULT_TYPES


def test_pages_are_for_the_answers_that_there_are() -> None:
    """A page can stand for every answer that docs/behaviour.md lists, and for no other."""
    page = (Path(__file__).parents[3] / "docs" / "behaviour.md").read_text(encoding="utf-8")
    listed = {int(status) for status in re.findall(r"^\| (\d{3}) \|", page, re.MULTILINE)}
    assert listed == set(ERROR_STATUSES)
