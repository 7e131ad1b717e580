"""The places of keys and values, in every form in which TOML can write them."""

import tomllib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.paths import KeyPath, dotted, follow
from gateway.config.positions import Positions

TEXT = """\
top = 1
a.b."c d" = 'x'  # dotted
[t]
key = "é" # comment
arr = [ 1, # one
  { in = [true], x.y = 2 },
]
[[list]]
  [list.sub]
  k = 1
[[list]]
  [[list.deep]]
  k = 2
  [[list.deep]]
  k = 3
[ p . "q.r" ]
'''lit''' = 0
"""
TEXT = TEXT.replace("'''lit'''", "'lit'")

ROWS: list[tuple[KeyPath, tuple[int, int, str], tuple[int, int, str]]] = [
    (("top",), (1, 1, "top"), (1, 7, "1")),
    (("a",), (2, 1, "a"), (2, 1, "a")),
    (("a", "b"), (2, 3, "b"), (2, 3, "b")),
    (("a", "b", "c d"), (2, 5, '"c d"'), (2, 13, "'x'")),
    (("t",), (3, 2, "t"), (3, 2, "t")),
    (("t", "key"), (4, 1, "key"), (4, 7, '"é"')),
    (("t", "arr"), (5, 1, "arr"), (5, 7, "[ 1, # one")),
    (("t", "arr", 0), (5, 9, "1"), (5, 9, "1")),
    (("t", "arr", 1, "in"), (6, 5, "in"), (6, 10, "[true]")),
    (("t", "arr", 1, "in", 0), (6, 11, "true"), (6, 11, "true")),
    (("t", "arr", 1, "x", "y"), (6, 20, "y"), (6, 24, "2")),
    (("list",), (8, 3, "list"), (8, 3, "list")),
    (("list", 0), (8, 3, "list"), (8, 3, "list")),
    (("list", 0, "sub"), (9, 4, "list.sub"), (9, 4, "list.sub")),
    (("list", 0, "sub", "k"), (10, 3, "k"), (10, 7, "1")),
    (("list", 1), (11, 3, "list"), (11, 3, "list")),
    (("list", 1, "deep", 0, "k"), (13, 3, "k"), (13, 7, "2")),
    (("list", 1, "deep", 1), (14, 5, "list.deep"), (14, 5, "list.deep")),
    (("list", 1, "deep", 1, "k"), (15, 3, "k"), (15, 7, "3")),
    (("p", "q.r"), (16, 3, 'p . "q.r"'), (16, 3, 'p . "q.r"')),
    (("p", "q.r", "lit"), (17, 1, "'lit'"), (17, 9, "0")),
]


@pytest.mark.parametrize(
    ("path", "key", "value"), ROWS, ids=lambda row: dotted(row) if isinstance(row[0], str) else ""
)
def test_every_form_has_its_place(
    path: KeyPath, key: tuple[int, int, str], value: tuple[int, int, str]
) -> None:
    """Key and value are found, and the marked characters are theirs."""
    positions = Positions(TEXT)
    assert follow(tomllib.loads(TEXT), path).path == path
    for place, (line, column, marked) in ((positions.key(path), key), (positions.value(path), value)):
        text = positions.line(place.line)
        assert (place.line, place.column) == (line, column)
        assert text[place.column - 1 :][: place.width] == marked


def test_what_the_text_does_not_have_is_shown_at_its_nearest_ancestor() -> None:
    """A missing key is shown at its table, and the root at the start of the text."""
    positions = Positions(TEXT)
    assert positions.value(("list", 1, "nothing", "here")) == positions.value(("list", 1))
    root = positions.value(("nothing",))
    assert (root.line, root.column) == (1, 1)


def test_line_ends_of_either_kind_count_the_same() -> None:
    """A file with CRLF has the same places, and its lines show no carriage return."""
    unix, dos = Positions(TEXT), Positions(TEXT.replace("\n", "\r\n"))
    for path, _, _ in ROWS:
        assert (unix.key(path), unix.value(path)) == (dos.key(path), dos.value(path))
    assert [unix.line(number) for number in range(1, 18)] == [dos.line(number) for number in range(1, 18)]


def test_a_value_of_several_lines_is_marked_on_its_first() -> None:
    """The caret never runs past the end of the line."""
    place = Positions('a = """\none\n"""\n').value(("a",))
    assert (place.line, place.column, place.width) == (1, 5, 3)


def test_a_table_named_before_its_header_is_shown_at_its_header() -> None:
    """``[a.b]`` before ``[a]`` does not take the place of ``[a]``."""
    assert Positions("[a.b]\nx = 1\n[a]\ny = 2\n").key(("a",)).line == 3


KEYS = st.sampled_from(["a", "b-c", "d.e", "f g", "", "é", "\n", '"'])
VALUES = st.recursive(
    st.integers(0, 9) | st.sampled_from(["x", "é\n", "#", "]"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def written(value: object) -> str:
    """A value as TOML in one line."""
    match value:
        case str():
            escaped = "".join(f"\\u{ord(char):04x}" if not char.isalnum() else char for char in value)
            return f'"{escaped}"'
        case list():
            return f"[{', '.join(map(written, value))}]"
        case dict():
            return f"{{{', '.join(f'{written(key)} = {written(item)}' for key, item in value.items())}}}"
        case _:
            return str(value)


def leaves(value: object, path: KeyPath = ()) -> Iterator[tuple[KeyPath, object]]:
    """Every value that is neither a table nor a list, with its path."""
    items = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    )
    if items is None:
        yield path, value
        return
    for step, item in items:
        yield from leaves(item, (*path, step))


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_what_is_marked_is_the_value(data: dict[str, object]) -> None:
    """Whatever a file contains, the place of a value is where the value is written."""
    text = "".join(f"{written(key)} = {written(value)}\n" for key, value in data.items())
    assert tomllib.loads(text) == data
    positions = Positions(text)
    for path, value in leaves(data):
        place = positions.value(path)
        assert positions.line(place.line)[place.column - 1 :][: place.width] == written(value)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("routes", 1, "limit", "rate"), "routes[1].limit.rate"),
        (("services", "a b", "x"), 'services."a b".x'),
        (("a.b", 0, 1), '"a.b"[0][1]'),
        (("", '"\\\n\x1b'), '""."\\u0022\\u005c\\u000a\\u001b"'),
        (("é",), '"é"'),
    ],
)
def test_paths_are_written_as_toml_would(path: KeyPath, text: str) -> None:
    """A key that TOML would quote is quoted, and no control character gets out."""
    assert dotted(path) == text
