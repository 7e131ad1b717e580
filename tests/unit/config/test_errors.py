"""How a mistake is shown."""

import pytest

from gateway.errors import MAX_SHOWN_COLUMNS, ConfigErrors, Mistake, Place


def shown(line: str, column: int, width: int = 1) -> tuple[str, str]:
    """The line and the caret under it, without the gutter."""
    _, text, caret = Mistake("m", "", Place(1, column, width), line).render("f").split("\n")
    return text[8:], caret[8:]


@pytest.mark.parametrize(
    ("line", "column", "width", "caret"),
    [
        ("a = 1", 5, 1, "    ^"),
        ("a = 123", 5, 3, "    ^^^"),
        ("\ta = 1", 6, 1, "\t    ^"),
        ("日本 = 1", 6, 1, "       ^"),
        ("e\u0301 = 1", 6, 1, "    ^"),
        ("a = '日'", 5, 3, "    ^^^^"),
        ("a", 2, 1, " ^"),
        ("", 1, 1, "^"),
        ("a = 1", 5, 99, "    ^"),
    ],
)
def test_the_caret_stands_under_its_place(line: str, column: int, width: int, caret: str) -> None:
    """Tabs, wide characters and combining ones do not move the caret off its place."""
    assert shown(line, column, width) == (line, caret)


def test_a_long_line_is_cut_around_the_place() -> None:
    """A minified file does not fill the screen, and the place stays in sight."""
    text, caret = shown("x" * 5000 + "Y" + "x" * 5000, 5001)
    assert len(text) == MAX_SHOWN_COLUMNS
    assert text[len(caret) - 1] == "Y"


def test_control_characters_do_not_reach_the_terminal() -> None:
    """An escape sequence in the file is shown, not obeyed."""
    text, _ = shown("a = \x1b[2J\x00\u202e", 5)
    assert text == "a = \ufffd[2J\ufffd\ufffd"


def test_a_mistake_is_one_paragraph() -> None:
    """File, line, column, path and message make the first line."""
    mistake = Mistake("unknown key", "a.b", Place(12, 3, 1), "  b = 1")
    assert mistake.render("g.toml") == "g.toml:12:3: a.b: unknown key\n   12 |   b = 1\n      |   ^"
    assert Mistake("no such file").render("g.toml") == "g.toml: no such file"


def test_mistakes_stand_in_the_order_of_the_file() -> None:
    """The report follows the file, and counts."""
    places = [Place(2, 1), Place(1, 5), Place(1, 2)]
    errors = ConfigErrors("f", [Mistake(str(place.column), "", place, "x = 1 + 2") for place in places])
    assert [mistake.message for mistake in errors.mistakes] == ["2", "5", "1"]
    assert str(errors).endswith("\nf: 3 mistakes")
    assert str(ConfigErrors("f", [Mistake("m")])) == "f: m\nf: 1 mistake"
