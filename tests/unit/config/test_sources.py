"""Configurations of several files: read as one, reported each by its own name and lines."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.config.effective import effective
from gateway.config.load import load, validated
from gateway.config.sources import MAX_INCLUDED_FILES, Sources
from gateway.errors import ConfigErrors

MAIN = """\
include = ["routes/*.toml", "services.toml"]
[[listen]]
address = "127.0.0.1:0"
[services.api]
instances = ["a:1"]
[[routes]]
path = "/main"
service = "api"
"""
CART = '[[routes]]\npath = "/cart"\nservice = "shop"\n'
SHOP = '[[routes]]\npath = "/shop"\nservice = "api"\n[[routes]]\npath = "/shop/*"\nservice = "shop"\n'
SERVICES = '[services.shop]\ninstances = ["b:1"]\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration of four files."""
    (tmp_path / "routes").mkdir()
    write(tmp_path, {"gateway.toml": MAIN, "services.toml": SERVICES})
    write(tmp_path / "routes", {"b-shop.toml": SHOP, "a-cart.toml": CART, "notes.txt": "not read"})
    return tmp_path


def write(folder: Path, files: dict[str, str]) -> None:
    """Writes files by their names."""
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def report(folder: Path, environ: dict[str, str] | None = None) -> list[str]:
    """The headlines of what is wrong, without the folder."""
    with pytest.raises(ConfigErrors) as caught:
        load(folder / "gateway.toml", environ or {})
    lines = [mistake.headline(caught.value.file) for mistake in caught.value.mistakes]
    return [line.replace(f"{folder}/", "") for line in lines]


def test_several_files_are_one_configuration(folder: Path) -> None:
    """The file that is named comes first, then what it includes, by its patterns and then by names."""
    config = load(folder / "gateway.toml", {})
    assert [route.path for route in config.routes] == ["/main", "/cart", "/shop", "/shop/*"]
    assert list(config.services) == ["api", "shop"]


def test_routes_may_all_be_elsewhere(folder: Path) -> None:
    """Then the file that is named has none."""
    write(folder, {"gateway.toml": MAIN.partition("[[routes]]")[0]})
    assert len(load(folder / "gateway.toml", {}).routes) == 3


def test_every_mistake_is_reported_where_it_stands(folder: Path) -> None:
    """File, line and path are those that an editor shows; all files are judged together."""
    write(folder, {"gateway.toml": MAIN.replace('service = "api"', 'service = "ap"')})
    write(
        folder / "routes",
        {
            "a-cart.toml": CART + '\n[[routes]]\npath = "cart"\nservice = "shop"\nretires = 1\n',
            "b-shop.toml": SHOP + '[log]\nlevel = "debug"\n',
            "c.toml": "[[routes]\n",
            "d.toml": "routes = 1\n",
        },
    )
    assert report(folder) == [
        'gateway.toml:8:11: routes[0].service: there is no service of this name; did you mean "api"?',
        (
            'routes/a-cart.toml:6:8: routes[1].path: expected a path: "/v1" (exactly), or "/v1/*" (it and everything below); '
            "a path starts with a slash"
        ),
        'routes/a-cart.toml:8:1: routes[1].retires: unknown key; did you mean "retry"?',
        "routes/b-shop.toml:7:2: log: an included file has [[routes]] and [services.NAME] only",
        "routes/c.toml:1:9: not TOML: Expected ']]' at the end of an array declaration",
        "routes/d.toml:1:10: routes: expected a list; write [[routes]]",
    ]


def test_what_is_there_twice_is_named_in_both_places(folder: Path) -> None:
    """A match, a name, a service."""
    named = '[[routes]]\npath = "/{}"\nservice = "shop"\nname = "one"\n'
    write(folder, {"services.toml": SERVICES + '[services.api]\ninstances = ["c:1"]\n'})
    write(
        folder / "routes",
        {"a-cart.toml": CART + named.format("x"), "c.toml": CART + named.format("y"), "d.toml": SERVICES},
    )
    assert report(folder) == [
        "routes/c.toml:1:3: routes[0]: can never match: routes[0] of routes/a-cart.toml has the same match",
        "routes/c.toml:7:8: routes[1].name: routes[1] of routes/a-cart.toml has the same name",
        "services.toml:1:2: services.shop: routes/d.toml has a service of this name",
        "services.toml:3:2: services.api: gateway.toml has a service of this name",
    ]


def test_a_reference_that_leads_nowhere_is_found_in_its_file(folder: Path) -> None:
    """Included files are interpolated as the main one."""
    write(folder, {"services.toml": '[services.shop]\ninstances = ["${env:SHOP}"]\n'})
    assert report(folder) == [
        "services.toml:2:14: services.shop.instances[0]: expected the environment variable SHOP to be set"
    ]
    assert load(folder / "gateway.toml", {"SHOP": "b:1"}).services["shop"]


def test_other_parts_are_named_as_they_are_found(folder: Path) -> None:
    """Where a mistake speaks of another key, it stands there with the place that it has in its own file."""
    text = (
        '[[routes]]\npath = "/both"\nservice = "api"\nredirect = { path = "/b", prefix = "/c" }\n'
        '[[routes]]\npath = "/own"\nservice = "shop"\nclients = ["10.0.0.0/8", "10.0.0.1"]\n'
        'limit = [{ rate = "1/s" }, { rate = "2/s" }]\n'
        '[[routes]]\npath = "/split"\nrequest_headers = { remove = ["a", "A"] }\n'
        'split = [{ service = "api", weight = 50 }, { service = "api", weight = 50 }]\n'
    )
    write(folder / "routes", {"a-cart.toml": text})
    file = "routes/a-cart.toml"
    assert report(folder) == [
        f"{file}:4:12: routes[0].redirect: no effect: routes[0].service of {file} has the requests",
        (
            f"{file}:4:36: routes[0].redirect.prefix: no effect: routes[0].redirect.path of {file} "
            "replaces the whole path"
        ),
        f"{file}:4:36: routes[0].redirect.prefix: the route matches one path and no prefix: expected path in its place",
        f"{file}:8:26: routes[1].clients[1]: no effect: routes[1].clients[0] of {file} contains it",
        (
            f"{file}:9:28: routes[1].limit[1].name: routes[1].limit[0] of {file} has the same name; "
            'give each limit of the route a name = "…"'
        ),
        (
            f"{file}:12:36: routes[2].request_headers.remove[1]: the same field as "
            f"routes[2].request_headers.remove[0] of {file}"
        ),
        f"{file}:13:56: routes[2].split[1].service: the same service as routes[2].split[0] of {file}",
    ]


@pytest.mark.parametrize(
    ("include", "message"),
    [
        ('"routes/*.toml"', "include: expected a list"),
        ('["routes/*.toml", ""]', 'include[1]: expected a pattern of files, such as "routes/*.toml"'),
        ('["missing.toml"]', "include[0]: there is no such file"),
        ('["${env:FOLDER}/*.toml"]', "include[0]: nothing is interpolated here"),
        ('["a\\u0000/*.toml"]', 'include[0]: expected a pattern of files, such as "routes/*.toml"'),
        (f'["{"*/" * 2_000}"]', "include[0]: too many folders in one pattern"),
        ("[]", "include: expected at least one pattern"),
    ],
)
def test_a_wrong_include_is_reported(folder: Path, include: str, message: str) -> None:
    """A pattern may find nothing, a name without wildcards may not."""
    alone = MAIN.replace('["routes/*.toml", "services.toml"]', include)
    write(folder, {"gateway.toml": alone})
    assert [line.partition(": ")[2] for line in report(folder, {"FOLDER": "x"})] == [message]


def test_a_pattern_may_find_nothing(folder: Path) -> None:
    """A folder that is still empty, say."""
    write(folder, {"gateway.toml": MAIN.replace('"routes/*.toml", "services.toml"', '"sites/**/*.toml"')})
    assert len(load(folder / "gateway.toml", {}).routes) == 1


def test_each_file_is_read_once_and_none_includes_itself(folder: Path) -> None:
    """However many patterns find it, and by whatever path."""
    patterns = f'"*.toml", "./routes/../services.toml", "{folder}/routes/*.toml", "routes/*.toml"'
    write(folder, {"gateway.toml": MAIN.replace('"routes/*.toml", "services.toml"', patterns)})
    assert len(load(folder / "gateway.toml", {}).routes) == 4


def test_the_number_of_files_is_bounded(folder: Path) -> None:
    """A pattern that finds a whole disk ends soon."""
    for number in range(MAX_INCLUDED_FILES):
        (folder / "routes" / f"z{number}.toml").write_text("[services]\n", encoding="utf-8")
    assert report(folder)[0] == "gateway.toml:1:12: include[0]: too many files: at most 1000 are included"


def test_what_cannot_be_read_is_reported(folder: Path) -> None:
    """A link that leads nowhere, other bytes than text, nothing at all."""
    (folder / "routes" / "c.toml").symlink_to("nowhere")
    (folder / "routes" / "d.toml").write_bytes(b"\xff")
    write(folder / "routes", {"e.toml": ""})
    assert report(folder) == [
        "routes/c.toml: No such file or directory",
        "routes/d.toml: not UTF-8: the first wrong byte is in line 1",
        "routes/e.toml: the file is empty",
    ]


def test_what_cannot_be_looked_at_is_reported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link that leads to itself, and files of a folder that may be listed and not searched."""
    (folder / "routes" / "c.toml").symlink_to("c.toml")
    closed = str(folder / "routes" / "a-cart.toml")

    def closing(call: Callable[..., object]) -> Callable[..., object]:
        def closed_one(path: object, *arguments: object, **options: object) -> object:
            if str(path) == closed:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
            return call(path, *arguments, **options)

        return closed_one

    for name in ("stat", "lstat", "open"):
        monkeypatch.setattr(os, name, closing(getattr(os, name)))
    assert report(folder) == [
        "routes/a-cart.toml: Permission denied",
        "routes/c.toml: Too many levels of symbolic links",
    ]


def test_names_of_files_are_text(folder: Path) -> None:
    """A report can be written anywhere, whatever bytes the names in it have."""
    (folder / "routes" / os.fsdecode(b"b\xff.toml")).write_text("routes = 1\n")
    assert report(folder) == [r"routes/b\xff.toml:1:10: routes: expected a list; write [[routes]]"]
    main = folder / os.fsdecode(b"\xfe.toml")
    main.write_text(MAIN)
    with pytest.raises(ConfigErrors) as caught:
        load(main, {})
    assert caught.value.file == rf"{folder}/\xfe.toml"
    str(caught.value).encode()
    with pytest.raises(ConfigErrors) as caught:
        load(folder / os.fsdecode(b"\xfd.toml"), {})
    assert str(caught.value).encode().startswith(rf"{folder}/\xfd.toml: No such file".encode())


def test_the_whole_is_shown(folder: Path) -> None:
    """As one file that includes nothing and means the same."""
    file = folder / "gateway.toml"
    sources = Sources.of(file.read_text(encoding="utf-8"), str(file))
    config = validated(sources, {})
    shown = effective(config, sources.data)
    assert "include" not in shown
    assert len(shown["routes"]) == 4
