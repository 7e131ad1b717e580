"""Reading files and texts: whatever they are, there is a configuration or a report."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import interpolate, rules
from gateway.config import tables as module
from gateway.config.fields import MAX_WORKERS
from gateway.config.load import load, parse
from gateway.config.schema import MAX_LIMITS, Config, Gateway
from gateway.errors import ConfigErrors

SMALLEST = """\
[[listen]]
address = "127.0.0.1:0"
[services.api]
instances = ["a:1"]
[[routes]]
service = "api"
"""
EVERY_KEY = (Path(__file__).parent / "golden" / "right" / "every_key.toml").read_text(encoding="utf-8")


def report(text: str, environ: dict[str, str] | None = None) -> str:
    """The report on a text that is wrong."""
    with pytest.raises(ConfigErrors) as caught:
        parse(text, "g.toml", environ or {})
    return str(caught.value)


def is_answered(text: str) -> bool:
    """Does a text give a configuration, or a report that can be shown?"""
    try:
        return isinstance(parse(text, "g.toml", {}), Config)
    except ConfigErrors as errors:
        return str(errors).count("g.toml") > len(errors.mistakes) > 0


@given(st.text())
def test_any_text_is_answered(text: str) -> None:
    """Nothing but ConfigErrors is raised for a text."""
    assert is_answered(text)


@given(st.data())
def test_any_damage_to_a_right_file_is_answered(data: st.DataObject) -> None:
    """Nothing but ConfigErrors is raised when a piece of a file is lost, doubled or replaced."""
    start = data.draw(st.integers(0, len(EVERY_KEY)))
    end = data.draw(st.integers(start, min(len(EVERY_KEY), start + 40)))
    piece = data.draw(
        st.sampled_from(
            [
                "",
                "\n",
                '"',
                "]",
                "{",
                "=",
                "#",
                "[[routes]]\n",
                "-1",
                "${env:X}",
                "\0",
                "'",
                "nan",
                "a.b.c = 1\n",
            ]
        )
        | st.text(max_size=5)
        | st.just(EVERY_KEY[start:end] * 2)
    )
    assert is_answered(EVERY_KEY[:start] + piece + EVERY_KEY[end:])


TOML_VALUES = st.recursive(
    st.sampled_from(
        ["1", "-1", "true", "1.5", "nan", "1979-05-27", "07:32:00", '""', '"a:1"', '"5s"', "'api'", "9" * 400]
    ),
    lambda inner: (
        st.lists(inner, max_size=2).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(st.sampled_from(["address", "rate", "path", "x"]), inner, max_size=2).map(
            lambda items: "{" + ", ".join(f"{key} = {value}" for key, value in items.items()) + "}"
        )
    ),
    max_leaves=4,
)


@given(st.data())
def test_any_value_at_any_key_is_answered(data: st.DataObject) -> None:
    """A value of any type at any place of a right file is answered."""
    lines = EVERY_KEY.split("\n")
    number = data.draw(st.sampled_from([index for index, line in enumerate(lines) if " = " in line]))
    key, _, _ = lines[number].partition(" = ")
    lines[number] = f"{key} = {data.draw(TOML_VALUES)}"
    assert is_answered("\n".join(lines))


@pytest.mark.parametrize(
    "text",
    ["a = " + "[" * 5000, "a = " + "[" * 100 + "]" * 100, "a" + ".a" * 5000 + " = 1", "[" + "a." * 5000 + "a]",
     "a = " + "{a = " * 3000 + "1" + "}" * 3000, "x = " + "1" * 5000, "\ud800", 'a = "\udfff"', "\0", "a = 1\r"],
)  # fmt: skip
def test_hostile_texts_are_answered(text: str) -> None:
    """Depth, length and what is no text at all end in a report."""
    assert is_answered(text)


def test_the_depth_of_the_model_is_allowed() -> None:
    """The bound on nesting is beyond anything that a right file needs."""
    assert is_answered(EVERY_KEY)
    assert "nested" in report(f"a{'.a' * module.MAX_DEPTH} = 1")
    assert "nested" not in report(f"a{'.a' * (module.MAX_DEPTH - 2)} = 1")


@pytest.mark.parametrize("content", [b"", b" \n\t", b"\xff\xfe", b"[gateway]\nx = '\xe9'", b"\0", b"=" * 99])
def test_wrong_bytes_are_reported(tmp_path: Path, content: bytes) -> None:
    """A file that is empty, not UTF-8 or not TOML is named in its report."""
    file = tmp_path / "g.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigErrors, match=r"g\.toml"):
        load(file, {})


def test_the_line_of_a_byte_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    """Somebody who saved a file in Latin-1 finds the letter."""
    file = tmp_path / "g.toml"
    file.write_bytes(b"# one\n# caf\xe9\n")
    with pytest.raises(ConfigErrors, match="line 2"):
        load(file, {})


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    """A file from an editor that writes a mark is read like any other."""
    file = tmp_path / "g.toml"
    file.write_bytes(b"\xef\xbb\xbf" + SMALLEST.encode())
    assert load(file, {}) == parse(SMALLEST, "g.toml", {})


def test_what_is_no_readable_file_is_reported(tmp_path: Path) -> None:
    """A missing file, a directory, a FIFO and a name with a NUL each get a clear line, and nothing waits."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    rows = {
        tmp_path / "none": "No such file or directory",
        tmp_path: "Is a directory",
        fifo: "not a regular file",
        Path("a\0b"): "null",
    }
    for path, reason in rows.items():
        with pytest.raises(ConfigErrors, match=reason) as caught:
            load(path, {})
        assert len(caught.value.mistakes) == 1


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    """A sparse file of a terabyte costs no memory."""
    file = tmp_path / "g.toml"
    with file.open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(ConfigErrors, match="larger than 16777216 bytes"):
        load(file, {})
    with pytest.raises(ConfigErrors, match="larger than 16777216 bytes"):
        parse("#" * (module.MAX_FILE_BYTES + 1), "g.toml", {})


def test_the_environment_is_an_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference looks into what it is given, never into the process's own environment."""
    monkeypatch.setenv("ADDRESS", "127.0.0.1:1")
    text = SMALLEST.replace("127.0.0.1:0", "${env:ADDRESS}")
    assert "ADDRESS to be set" in report(text)
    assert parse(text, "g.toml", {"ADDRESS": "127.0.0.1:2"}).listen[0].address.port == 2


def test_files_are_interpolated_without_their_last_newline(tmp_path: Path) -> None:
    """A whole value or a part of one may come from a file."""
    secret = tmp_path / "host"
    secret.write_text("a.internal\r\n")
    text = SMALLEST.replace("a:1", f"${{file:{secret}}}:80")
    assert str(parse(text, "g.toml", {}).services["api"].instances[0].address) == "a.internal:80"


def test_a_file_that_cannot_be_interpolated_is_reported(tmp_path: Path) -> None:
    """A directory, a huge file, a FIFO and bytes that are no text each get their reason."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "huge").write_bytes(b"x" * (interpolate.MAX_FILE_BYTES + 1))
    (tmp_path / "binary").write_bytes(b"\xff")
    rows = {
        "": "Is a directory",
        "/fifo": "regular",
        "/huge": "larger",
        "/binary": "UTF-8",
        "/a\\u0000b": "null",
    }
    for name, reason in rows.items():
        assert reason in report(SMALLEST.replace("a:1", f"${{file:{tmp_path}{name}}}"))


def test_only_an_interpolated_string_may_spell_a_number() -> None:
    """``workers = "2"`` is a mistake, ``workers = "${env:N}"`` is how a number gets in."""
    assert parse(f'gateway.workers = "${{env:N}}"\n{SMALLEST}', "g.toml", {"N": "2"}).gateway.workers == 2
    assert (
        parse(f'gateway.max_instances = "${{env:N}}"\n{SMALLEST}', "g.toml", {"N": "2"}).gateway.max_instances
        == 2
    )
    assert "gateway.workers" in report(f'gateway.workers = "2"\n{SMALLEST}')
    for text in ("", " 2", "2.0", "٢", "-1", "1e1", "9" * 5000):
        assert "gateway.workers" in report(f'gateway.workers = "${{env:N}}"\n{SMALLEST}', {"N": text})


def test_what_was_interpolated_is_never_shown() -> None:
    """A secret at the wrong key does not reach the log, not even as part of a hint."""
    for key in ("gateway.admin", "gateway.workers", "gateway.drain_timeout", "log.level"):
        for secret in ("9999", ":8080", "9999Sec", "infoo", "::9999"):
            seen = report(f'{key} = "${{env:S}}"\n{SMALLEST}', {"S": secret})
            assert secret.strip(":") not in seen


def test_a_mistake_does_not_hide_another_in_the_same_table() -> None:
    """A route with a wrong path is still checked for its service, and its service is not called unused."""
    seen = report(SMALLEST.replace('service = "api"', 'service = "ap"\npath = "x"'))
    assert "routes[0].service" in seen
    assert "routes[0].path" in seen
    assert "no route leads" not in seen


def test_a_listener_may_not_take_the_default_address_of_the_admin_api() -> None:
    """The collision is noticed although the file does not name the admin address; port 0 never collides."""
    assert "the same address as gateway.admin" in report(SMALLEST.replace(":0", ":9901"))
    assert parse(f'gateway.admin = "127.0.0.1:0"\n{SMALLEST}', "g.toml", {}).gateway.admin.port == 0


def test_the_number_of_workers() -> None:
    """``auto`` is one per CPU, up to what the shared memory has lanes for; a number is that number."""
    automatic, chosen = Gateway(), parse(f"gateway.workers = 3\n{SMALLEST}", "g.toml", {}).gateway
    assert [automatic.worker_count(cpus) for cpus in (1, 8, 500)] == [1, 8, MAX_WORKERS]
    assert chosen.worker_count(8) == 3


def test_more_than_can_be_counted_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many limits of a route, and too many routes or limits in all, are reported before they are compiled."""
    limits = ", ".join(f'{{ name = "n{number}", rate = "1/s" }}' for number in range(MAX_LIMITS + 1))
    assert f"at most {MAX_LIMITS} of limit" in report(f"{SMALLEST}limit = [{limits}]")
    monkeypatch.setattr(rules.room, "MAX_ROWS", 10)
    data = {"listen": [{}] * 2, "routes": [{"limit": [{}] * 2}] * 6}
    messages = [finding.message for finding in rules.broken_rules(data) if finding.path == ("routes",)]
    assert messages == [
        "too many: listeners × routes are 14, at most 10 can be counted",
        "too many limits: 12, at most 10 can be counted",
    ]


def test_routes_that_overlap_only_in_part_are_right() -> None:
    """Precedence between matches of different kinds is no mistake."""
    routes: list[dict[str, object]] = [
        {},
        {"methods": ["GET"]},
        {"path": "/"},
        {"host": "a"},
        {"host": "*.a"},
        {"host": "a", "methods": ["PUT"]},
    ]
    text = SMALLEST + "".join(
        "[[routes]]\nservice = 'api'\n" + "".join(f"{key} = {value!r}\n" for key, value in route.items())
        for route in routes[1:]
    )
    assert len(parse(text, "g.toml", {}).routes) == len(routes)
