"""What is written as TOML is read as the same values."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.toml import dumps

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers(-(1 << 53), 1 << 53)
VALUES = st.recursive(
    TEXTS | NUMBERS | st.booleans() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, min_size=1, max_size=3),
    max_leaves=12,
)
TABLES = st.dictionaries(TEXTS, VALUES, max_size=4)


@given(st.dictionaries(TEXTS, TABLES | st.lists(TABLES, min_size=1, max_size=3), max_size=4))
def test_what_is_written_is_read_again(tables: dict[str, Any]) -> None:
    """Any text is a key or a value, control characters and all."""
    assert tomllib.loads(dumps(tables)) == tables


def test_it_looks_as_people_write_it() -> None:
    """Headers for the first levels, the rest inline; a wide list has a line for each element."""
    wide = ["x" * 60, "y" * 60]
    tables = {
        "gateway": {"workers": 2},
        "listen": [{"max": {"fields": 1}}],
        "services": {"a.b": {"instances": wide}},
    }
    assert dumps(tables) == (
        "[gateway]\nworkers = 2\n\n"
        "[[listen]]\nmax = { fields = 1 }\n\n"
        f'[services."a.b"]\ninstances = [\n    "{wide[0]}",\n    "{wide[1]}",\n]\n'
    )


def test_what_toml_does_not_have() -> None:
    """A value without a form in TOML is a bug of the caller."""
    with pytest.raises(TypeError, match="NoneType"):
        dumps({"gateway": {"a": None}})
