"""``headgate explain``: what it prints of a request, and how it judges a table of expectations."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.cli.expectations import KEYS
from gateway.cli.explain import explain
from gateway.state.judgement import Judge

CONFIGURATION = """\
[[listen]]
address = "127.0.0.1:8080"
[services.api]
instances = ["a:1", { address = "a:2", weight = 3 }, { address = "a:3", backup = true }]
limit = { name = "all", rate = "9/s", key = "service" }
[[routes]]
path = "/v1/*"
service = "api"
limit = { rate = "5/s" }
concurrency = 7
[[routes]]
path = "/v1/*"
headers = { X-Beta = "1" }
service = "api"
[[routes]]
path = "/v1/*"
methods = ["PUT"]
service = "api"
[[routes]]
path = "/v2"
service = "api"
"""
ANSWERS = """\
[[routes]]
host = "old.example"
path = "/v1/*"
redirect = { scheme = "https", host = "shop.example", prefix = "/v2", status = 308 }
limit = { rate = "5/s" }
[[routes]]
path = "/robots.txt"
respond = { body = "none for you" }
[[routes]]
path = "/teapot"
respond = { status = 418 }
[[routes]]
path = "/moved"
redirect = { path = "/here" }
"""
SPLIT = """\
[services.next]
instances = ["b:1"]
concurrency = 9
[services.idle]
instances = ["c:1"]
[[routes]]
path = "/split"
concurrency = 8
split = [
    { service = "api", weight = 95 },
    { service = "next", weight = 5 },
    { service = "idle", weight = 0 },
]
timeouts = { first_byte = "5s" }
max_body = "1KiB"
maintenance = { allow = ["127.0.0.0/8"] }
errors.503.body = "later"
split_by = "header:X-Side"
split_sticky = "client_ip"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration."""
    path = tmp_path / "gateway.toml"
    path.write_text(CONFIGURATION, encoding="utf-8")
    return path


def run(*arguments: object) -> Result:
    """The command, as a shell would call it."""
    return CliRunner().invoke(main, ["explain", *map(str, arguments)])


def test_a_request_is_explained(file: Path) -> None:
    """Route, limits, service, instances; then what was not taken, the near ones by name."""
    result = run(file, "GET", "http://shop.example/v1/x")
    assert (result.exit_code, result.output.splitlines()) == (
        0,
        [
            "request   shop.example/v1/x, of 127.0.0.1, at 127.0.0.1:8080",
            "route     /v1/*",
            "limit     default of /v1/*: 5/s, burst 5, by client_ip",
            "limit     concurrency of /v1/*: 7 at once, by all",
            "limit     all of api: 9/s, burst 9, by service",
            "service   api, by p2c, 2 more tries",
            "instance  a:1",
            "instance  a:2, weight 3",
            "instance  a:3, backup",
            "not       /v1/* header:x-beta=1: the header x-beta does not fit",
            "not       PUT /v1/*: the method does not fit",
            "not       1 route of another path",
        ],
    )


def test_a_refusal_is_explained(file: Path) -> None:
    """The answer that the client gets."""
    assert "answer    404: no route" in run(file, "GET", "/v3").output
    assert run(file, "GET", "/%00").output.splitlines()[:2] == [
        "request   not understood, of 127.0.0.1, at 127.0.0.1:8080",
        "answer    400: ambiguous path",
    ]


@pytest.mark.parametrize(
    ("url", "lines"),
    [
        (
            "http://old.example/v1/a%20b?c",
            [
                "route     old.example/v1/*",
                "limit     default of old.example/v1/*: 5/s, burst 5, by client_ip",
                "answer    308: to https://shop.example/v2/a%20b?c",
            ],
        ),
        ("/robots.txt", ["route     /robots.txt", "answer    200: 12 bytes of text/plain; charset=utf-8"]),
        ("/teapot", ["route     /teapot", "answer    418: no body"]),
        ("/moved", ["route     /moved", "answer    302: to http://localhost/here"]),
        ("http:///moved", ["route     /moved", "answer    400: missing, repeated or impossible host"]),
        (
            "/split",
            [
                "route     /split",
                "terms     first_byte 5s, body 1KiB, page 503",
                "closed    /split is under maintenance and lets in 127.0.0.0/8",
                "limit     concurrency of /split: 8 at once, by all",
                "split     by the name in header:X-Side, sticky by client_ip",
                "split     95 % to api",
                "limit     all of api: 9/s, burst 9, by service",
                "service   api, by p2c, 2 more tries",
                "instance  a:1",
                "instance  a:2, weight 3",
                "instance  a:3, backup",
                "split     5 % to next",
                "limit     concurrency of next: 9 at once, by all",
                "service   next, by p2c, 2 more tries",
                "instance  b:1",
                "split     0 % to idle",
                "service   idle, by p2c, 2 more tries",
                "instance  c:1",
            ],
        ),
    ],
)
def test_other_destinations_are_explained(file: Path, url: str, lines: list[str]) -> None:
    """What a route answers itself, and every side of a split, behind the limits of the route."""
    file.write_text(CONFIGURATION + ANSWERS + SPLIT, encoding="utf-8")
    result = run(file, "GET", url)
    assert result.exit_code == 0
    assert [line for line in result.output.splitlines()[1:] if not line.startswith("not ")] == lines


def test_tools_read_what_a_route_answers_itself(file: Path, tmp_path: Path) -> None:
    """Its status and its location, which can be expected as well; what refuses a request has no location."""
    file.write_text(CONFIGURATION + ANSWERS, encoding="utf-8")

    def seen(method: str, url: str) -> list[object]:
        document = json.loads(run(file, method, url, "--json").output)
        keys = ("route", "service", "status", "location", "details", "instances", "split")
        return [document[key] for key in keys]

    redirected = ["old.example/v1/*", None, 308, "https://shop.example/v2", None, [], []]
    assert seen("GET", "http://old.example/v1") == redirected
    assert seen("GET", "/teapot") == ["/teapot", None, 418, None, None, [], []]
    assert seen("TRACE", "/teapot")[:4] == ["/teapot", None, 405, None]
    table = tmp_path / "expectations.toml"
    expected = 'request = "GET http://old.example/v1/x"\nstatus = 308\nlocation = "https://shop.example/{}"\n'
    text = "".join("[[expect]]\n" + expected.format(path) for path in ("v2/x", "v1/x"))
    table.write_text(f'{text}[[expect]]\nrequest = "GET /teapot"\nlocation = "/"\n', encoding="utf-8")
    result = run(file, "--test", table)
    assert result.output.replace(str(table), "T").splitlines() == [
        (
            'T:5: GET http://old.example/v1/x: expected location "https://shop.example/v1/x", '
            'got "https://shop.example/v2/x"'
        ),
        'T:9: GET /teapot: expected location "/", got none',
        "3 expectations, 2 not met",
    ]


def test_a_connection_that_is_passed_through_is_explained(tmp_path: Path) -> None:
    """No request is read; service, tries and instances are told, to people and to tools."""
    file = tmp_path / "gateway.toml"
    file.write_text(
        """
[[listen]]
address = "127.0.0.1:6379"
mode = "tcp"
service = "db"
retry = { attempts = 1 }

[services.db]
instances = ["10.0.0.1:6379", "10.0.0.2:6379"]
balance = "round_robin"
"""
    )
    assert run(file, "GET", "/").output.splitlines() == [
        "passed    every connection of 127.0.0.1, at 127.0.0.1:6379",
        "service   db, by round_robin, 1 more tries",
        "instance  10.0.0.1:6379",
        "instance  10.0.0.2:6379",
    ]
    told = json.loads(run(file, "GET", "/", "--json").output)
    assert (told["mode"], told["service"], told["route"]) == ("tcp", "db", None)
    assert told["instances"] == ["10.0.0.1:6379", "10.0.0.2:6379"]
    file.write_text(file.read_text() + 'maintenance = { allow = ["192.0.2.0/24"] }\n')
    assert (
        run(file, "GET", "/").output.splitlines()[1]
        == "closed    db is under maintenance and lets in 192.0.2.0/24"
    )


def test_who_is_kept_out_is_told(file: Path) -> None:
    """By the client of the request, as the gateway has it."""
    file.write_text(CONFIGURATION + SPLIT, encoding="utf-8")
    assert "answer    503: under maintenance" in run(file, "GET", "/split", "--client", "192.0.2.1").output
    assert "answer" not in run(file, "GET", "/split").output


def test_tools_read_splits(file: Path, tmp_path: Path) -> None:
    """Every side of it; a side is as expected if it gets requests by its weight."""
    file.write_text(CONFIGURATION + SPLIT, encoding="utf-8")
    document = json.loads(run(file, "GET", "/split", "--json").output)
    own = ("timeouts", "max_body", "errors", "split_by", "split_sticky")
    assert [document[key] for key in own] == [
        {"first_byte": "5s"},
        "1KiB",
        [503],
        "header:X-Side",
        "client_ip",
    ]
    assert [document[key] for key in ("service", "instances", "status", "split")] == [
        None,
        [],
        None,
        [
            {"service": "api", "weight": 95, "instances": ["a:1", "a:2", "a:3"]},
            {"service": "next", "weight": 5, "instances": ["b:1"]},
            {"service": "idle", "weight": 0, "instances": ["c:1"]},
        ],
    ]
    table = tmp_path / "expectations.toml"
    services = ("api", "next", "idle")
    table.write_text(
        "".join(f'[[expect]]\nrequest = "GET /split"\nservice = "{service}"\n' for service in services),
        encoding="utf-8",
    )
    result = run(file, "--test", table)
    assert result.exit_code == 1
    assert result.output.replace(str(table), "T").splitlines() == [
        'T:7: GET /split: expected service "idle", got "api" or "next"',
        "3 expectations, 1 not met",
    ]


def test_options_describe_the_request(file: Path) -> None:
    """Fields, the client, the listener."""
    result = run(
        file, "GET", "/v1", "-H", "x-beta: 1", "--client", "192.0.2.1", "--listener", "127.0.0.1:8080"
    )
    assert "of 192.0.2.1" in result.output
    assert "route     /v1/* header:x-beta=1" in result.output
    assert "not       /v1/*: matches, and is less specific" in result.output


def test_compression_is_explained(file: Path) -> None:
    """The coding that the request would get, and what it depends on."""
    with file.open("a", encoding="utf-8") as more:
        more.write('[[routes]]\npath = "/text"\nservice = "api"\ncompress = { types = ["text/*"] }\n')
    for headers, coding, public_only, line in (
        (["Accept-Encoding: gzip"], "gzip", False, "answers of 1 type from 1KiB by gzip"),
        (["Accept-Encoding: *", "Cookie: a=b"], "zstd", True, "public answers of 1 type from 1KiB by zstd"),
        (["Accept-Encoding: br"], None, False, "nothing: the request does not ask for zstd or gzip"),
    ):
        options = [part for header in headers for part in ("-H", header)]
        assert f"compress  {line}" in run(file, "GET", "/text", *options).output.splitlines()
        told = json.loads(run(file, "GET", "/text", *options, "--json").output)
        assert told["compressed"] == {"coding": coding, "public_only": public_only}


def test_what_other_origins_may_do_is_explained(file: Path) -> None:
    """By the origin of the page; a preflight has neither limits nor a service, and is for the route of what it announces."""
    with file.open("a", encoding="utf-8") as more:
        more.write(
            '[[routes]]\npath = "/shared"\nmethods = ["PUT"]\nservice = "api"\nlimit = { rate = "1/s" }\n'
            'maintenance = true\ncors = { origins = ["https://*.example.com"] }\n'
        )
    announcing = ["-H", "Access-Control-Request-Method: PUT"]
    for origin, allowed in (("https://a.example.com", True), ("https://a.example.com.evil.org", False)):
        word = "allowed" if allowed else "not allowed"
        fields = ["-H", f"Origin: {origin}"]
        lines = run(file, "PUT", "/shared", *fields).output.splitlines()
        assert f"cors      the origin is {word} to read the answer" in lines
        assert any(line.startswith("closed ") for line in lines)
        lines = run(file, "OPTIONS", "/shared", *fields, *announcing).output.splitlines()
        assert lines[1:4] == [
            "route     PUT /shared",
            f"cors      a preflight: the origin is {word} to ask",
            "answer    204: no body",
        ]
        assert not any(line.startswith(("closed", "limit", "service")) for line in lines)
        told = json.loads(run(file, "OPTIONS", "/shared", *fields, *announcing, "--json").output)
        assert told["cross_origin"] == {"preflight": True, "allowed": allowed}
        assert (told["status"], told["service"], told["instances"]) == (204, None, [])


def test_tools_read_json(file: Path) -> None:
    """Everything, whatever its number."""
    document = json.loads(run(file, "GET", "http://a/v1", "--json").output)
    assert document == {
        "listener": "127.0.0.1:8080",
        "mode": "http",
        "client": "127.0.0.1",
        "host": "a",
        "path": "/v1",
        "route": "/v1/*",
        "service": "api",
        "status": None,
        "location": None,
        "compressed": None,
        "cross_origin": None,
        "details": None,
        "instances": ["a:1", "a:2", "a:3"],
        "split": [],
        "timeouts": {},
        "max_body": None,
        "errors": [],
        "split_by": None,
        "split_sticky": None,
        "mirror": None,
        "fault": None,
        "others": [
            {"route": "/v1/* header:x-beta=1", "misfit": "header", "name": "x-beta"},
            {"route": "PUT /v1/*", "misfit": "method", "name": None},
            {"route": "/v2", "misfit": "path", "name": None},
        ],
    }
    refused = json.loads(run(file, "GET", "http://a/", "--json").output)
    assert (refused["route"], refused["status"], refused["details"]) == (None, 404, "no route")


def test_the_page_says_it_all(file: Path) -> None:
    """docs/explain.md has every option, every key of an expectation and every key of the JSON."""
    page = (Path(__file__).parents[3] / "docs" / "explain.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    documented = {word.split(" ")[0] for row in rows for word in re.findall("`(.+?)`", row)}
    options = {name for option in explain.params for name in option.opts if name.startswith("-")}
    lines = {
        "request",
        "route",
        "terms",
        "closed",
        "limit",
        "answer",
        "compress",
        "cors",
        "split",
        "service",
        "instance",
        "not",
    }
    told = json.loads(run(file, "GET", "/", "--json").output).keys()
    assert documented == options | lines | KEYS.keys() | told


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("GET",), "name a METHOD and a URL"),
        (("GET", "/", "-H", "beta"), "expected NAME:VALUE"),
        (("GET", "/", "--client", "me"), "no IP address"),
        (("GET", "/", "--listener", "x:1"), "no listener of this address"),
        (("GET", "/", "--test", "t.toml"), "--test brings its requests"),
    ],
)
def test_wrong_usage(file: Path, arguments: tuple[str, ...], problem: str) -> None:
    """Exit code 2, and what is wrong."""
    result = run(file, *arguments)
    assert result.exit_code == 2
    assert problem in result.output


def test_a_wrong_configuration(file: Path) -> None:
    """Its mistakes, as ``headgate check`` writes them."""
    file.write_text("[[listen]]\n", encoding="utf-8")
    result = run(file, "GET", "/")
    assert result.exit_code == 2
    assert "this key is required" in result.output


def test_a_configuration_that_no_gateway_has_room_for(file: Path) -> None:
    """Exit code 2, and what it has too much of."""
    listeners = "".join(f'[[listen]]\naddress = "127.0.0.1:{port}"\n' for port in range(10_000, 11_025))
    file.write_text(listeners + CONFIGURATION.partition("\n[services")[2].join(["[services", ""]))
    result = run(file, "GET", "/")
    assert result.exit_code == 2
    assert f"{file}: listen: a gateway has room for 1024 listeners" in result.output


def test_a_configuration_that_only_the_engine_refuses(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2, and the engine's own words."""

    def refuse(_: bytes) -> Judge:
        raise ValueError("routes[0]: no")

    monkeypatch.setattr("gateway.supervisor.explain.Judge", refuse)
    for arguments in (("GET", "/"), ("--test", "expectations.toml")):
        result = run(file, *arguments)
        assert (result.exit_code, result.exception.__class__) == (2, SystemExit)
        assert f"{file}: the engine refuses it: routes[0]: no" in result.output


EXPECTATIONS = """\
[[expect]]
request = "GET http://a/v1/x"
route = "/v1/*"
service = "api"

[[expect]]
request = "GET /v1"
headers = { X-Beta = "1" }
route = "/v1/* header:x-beta=1"

[[expect]]
request = "GET /nothing"
status = 404
"""


def test_expectations_that_are_met(file: Path, tmp_path: Path) -> None:
    """Exit code 0."""
    table = tmp_path / "expectations.toml"
    table.write_text(EXPECTATIONS, encoding="utf-8")
    result = run(file, "--test", table)
    assert (result.exit_code, result.output) == (0, "3 expectations, 0 not met\n")


def test_expectations_that_are_not_met(file: Path, tmp_path: Path) -> None:
    """Exit code 1, and each with its place and what happens instead."""
    table = tmp_path / "expectations.toml"
    table.write_text(
        EXPECTATIONS.replace('service = "api"', 'service = "web"')
        .replace("status = 404", 'route = "/v2"\nstatus = 403')
        .replace('"GET /v1"', '"GET /v1"\nlistener = "x:1"'),
        encoding="utf-8",
    )
    result = run(file, "--test", table)
    assert result.exit_code == 1
    assert result.output.replace(str(table), "T").splitlines() == [
        'T:1: GET http://a/v1/x: expected service "web", got "api"',
        "T:6: GET /v1: there is no listener of this address",
        'T:12: GET /nothing: expected route "/v2", got none; expected status 403, got 404',
        "3 expectations, 3 not met",
    ]
    document = json.loads(run(file, "--test", table, "--json").output)
    assert document["expectations"] == 3
    assert [one["request"] for one in document["unmet"]] == ["GET http://a/v1/x", "GET /v1", "GET /nothing"]


def test_a_wrong_table_is_reported(file: Path, tmp_path: Path) -> None:
    """Exit code 2, and every mistake with its place."""
    table = tmp_path / "expectations.toml"
    table.write_text(
        '[[expect]]\nrequest = "GET"\nstats = 1\n[[expect]]\nrequest = "GET /"\nstatus = "404"\nheaders = { a = 1 }\n[other]\n',
        encoding="utf-8",
    )
    result = run(file, "--test", table)
    assert result.exit_code == 2
    headlines = [
        line for line in result.output.replace(str(table), "T").splitlines() if line.startswith("T:")
    ]
    assert headlines == [
        "T:1:3: expect[0]: expects nothing: name route, service, status, location",
        'T:2:11: expect[0].request: expected a method and a URL, such as "GET http://example.com/"',
        'T:3:1: expect[0].stats: unknown key; did you mean "status"?',
        "T:6:10: expect[1].status: expected a whole number",
        "T:7:11: expect[1].headers: expected a table of texts",
        "T:8:2: other: expected [[expect]] and nothing else",
        "T: 6 mistakes",
    ]
    for text in ("[[other]]\n", "expect = 1\n"):
        table.write_text(text, encoding="utf-8")
        assert run(file, "--test", table).exit_code == 2
