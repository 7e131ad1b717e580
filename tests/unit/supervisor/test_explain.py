"""What is told of a request is what becomes of it."""

import os
import random
import re
from collections.abc import Iterator, Sequence

import pytest

from gateway.config.compile import compile_snapshot
from gateway.config.load import parse
from gateway.config.schema import Config
from gateway.config.shadowing import Shadows
from gateway.model import Health
from gateway.state.control import Control, Segment
from gateway.state.lane import FORWARD, REPLY, REPLY_CLOSE, Connection, Lane, Snapshot
from gateway.state.view import View
from gateway.supervisor.explain import Asked, Explainer, Told, UnaskableError
from gateway.supervisor.rows import Rows
from tests.helpers.proof import PROOF

ROUTES, REQUESTS = (1_000, 10_000) if PROOF else (100, 1_000)
NOW = 1_000_000_000_000
LOCATION = re.compile(rb"\r\nLocation: ([^\r]*)\r\n")

Own = tuple[int, str | None]
LISTENERS = ("127.0.0.1:8080", "127.0.0.2:8081")
PLAIN = """\
[gateway]
trusted_proxies = ["10.0.0.0/8"]
[[listen]]
address = "127.0.0.1:8080"
max = { body = "3B" }
[[listen]]
address = "127.0.0.2:8081"
[services.api]
instances = ["127.0.0.1:9", { address = "127.0.0.1:10", weight = 0 }, { address = "127.0.0.1:11", labels = { v = "2" } }]
[services.web]
instances = ["127.0.0.1:12"]
"""
SAMPLE = (
    PLAIN
    + """\
[[routes]]
host = "api.example"
path = "/v1/*"
service = "api"
[[routes]]
host = "api.example"
path = "/v1/*"
headers = { X-Beta = true }
subset = { v = "2" }
service = "api"
[[routes]]
clients = ["192.0.2.0/24"]
listeners = ["127.0.0.2:8081"]
service = "web"
[[routes]]
host = "old.example"
redirect = { host = "api.example" }
[[routes]]
host = "fixed.example"
methods = ["GET"]
respond = { status = 203 }
[[routes]]
host = "split.example"
split = [{ service = "api", weight = 0 }, { service = "web", weight = 100 }]
"""
)


def reached(told: Told) -> list[tuple[str, int, list[str]]]:
    """Every service that may get the request, with its part and those of its instances."""
    return [
        (one.name, one.weight, [str(instance.address) for instance in one.instances])
        for one in told.destinations
    ]


@pytest.fixture(scope="module")
def sample() -> Explainer:
    """Explains by a few routes."""
    return Explainer(parse(SAMPLE, "g", {}))


def test_a_route_is_told_with_all_that_belongs_to_it(sample: Explainer) -> None:
    """Route, instances that may get the request, and of every other route what does not fit."""
    told = sample.explain(Asked("GET", "http://API.example./v1/./x?q"))
    assert told.route is not None
    assert (told.route.name, told.refusal, told.host, told.path) == (
        "api.example/v1/*",
        None,
        "API.example.",
        "/v1/x",
    )
    assert (told.client, told.listener.name) == ("127.0.0.1", "127.0.0.1:8080")
    assert reached(told) == [("api", 100, ["127.0.0.1:9", "127.0.0.1:11"])]
    assert [(misfit.what, misfit.name) for _, misfit in told.others] == [
        ("header", "x-beta"),
        ("listener", ""),
        ("host", ""),
        ("host", ""),
        ("host", ""),
    ]
    told = sample.explain(Asked("GET", "/v1", (("host", "api.example:80"), ("x_beta", "1"))))
    assert reached(told) == [("api", 100, ["127.0.0.1:11"])]
    assert [misfit.what for _, misfit in told.others] == ["precedence", "listener", *["host"] * 3]


def test_what_a_route_answers_itself_is_told(sample: Explainer) -> None:
    """Its status, and where it leads; no service has anything to do with it."""
    for url, answer in (
        ("http://old.example:81/x?q", (302, "http://api.example:81/x?q")),
        ("http://fixed.example/", (203, None)),
    ):
        told = sample.explain(Asked("GET", url))
        assert (told.refusal, told.answer, told.destinations) == (None, answer, ())


def test_every_side_of_a_split_is_told(sample: Explainer) -> None:
    """Also one that gets nothing by its weight."""
    told = sample.explain(Asked("GET", "http://split.example/"))
    assert reached(told) == [("api", 0, ["127.0.0.1:9", "127.0.0.1:11"]), ("web", 100, ["127.0.0.1:12"])]
    assert told.answer is None


@pytest.mark.parametrize(
    ("asked", "listener"),
    [
        (Asked("GET", "/"), 0),
        (Asked("GET", "http://a:8081/"), 1),
        (Asked("GET", "http://a:80/"), 0),
        (Asked("GET", "http://a:8080/", listener="127.0.0.2:8081"), 1),
        (Asked("GET", "http://[::1]:8081"), 1),
        (Asked("GET", "http://[::8081]"), 0),
        (Asked("GET", f"http://a:{'8' * 5_000}/"), 0),
    ],
)
def test_the_listener_is_that_of_the_port(sample: Explainer, asked: Asked, listener: int) -> None:
    """Unless another one is named; the first where no port tells."""
    assert sample.explain(asked).listener.name == LISTENERS[listener]


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (Asked("GET", "http://b/"), 404),
        (Asked("GET", "http://api.example/v1/%2f"), 400),
        (Asked("GET", "http:///v1"), 404),
        (Asked("CONNECT", "http://api.example/v1"), 405),
        (Asked("TRACE", "http://api.example/v1"), 405),
        (Asked("PUT", "http://api.example/v1", (("Content-Length", "4"),)), 413),
        (Asked("G T", "http://api.example/v1"), 400),
        (Asked("GET", "http://api.example/v1", (("Host", "a"), ("Host", "b"))), 400),
    ],
)
def test_an_answer_of_the_gateways_own_is_told(sample: Explainer, asked: Asked, status: int) -> None:
    """With its status, and no instance."""
    told = sample.explain(asked)
    assert told.refusal is not None
    assert (told.refusal.status, told.answer, told.destinations) == (status, None, ())


def test_the_client_is_the_one_that_proxies_tell_of(sample: Explainer) -> None:
    """As for any request."""
    forwarded = (("X-Forwarded-For", "192.0.2.9"),)
    for client, seen, service in (("10.0.0.1", "192.0.2.9", "web"), ("198.51.100.1", "198.51.100.1", None)):
        told = sample.explain(Asked("GET", "http://a:8081/", forwarded, client))
        assert (told.client, told.route and told.route.service) == (seen, service)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (Asked("GET", "/", client="nobody"), "no IP address"),
        (Asked("GET", "/", listener="127.0.0.3:80"), "no listener"),
        (Asked("GET", "/\r\nX: y"), "no line breaks"),
        (Asked("GET", "/", (("X", "y\nZ: z"),)), "no line breaks"),
        (Asked("GET", "/\ud800"), "no lone surrogates"),
    ],
)
def test_what_cannot_be_asked(sample: Explainer, asked: Asked, why: str) -> None:
    """No request would be like that, or not of this configuration."""
    with pytest.raises(UnaskableError, match=why):
        sample.explain(asked)


class DataPath:
    """One lane, as a worker has it; what it counts tells which route a request has taken."""

    def __init__(self, config: Config) -> None:
        series = len(LISTENERS) * (len(config.routes) + 1)
        segment = Segment.create(
            lanes=4, instances=1, services=2, series=series, limits=1, limit_keys=16, hash_seed=42
        )
        control = Control(segment)
        control.open_lane(0, os.getpid())
        control.write_instance(0, 1, "127.0.0.1:9", weight=1, max_in_flight=0, health=Health.HEALTHY)
        for service in range(2):
            control.publish_members(service, [0])
        self._rows = Rows.fresh(services=2, series=series, limits=1)
        _, blob = compile_snapshot(config, 1, self._rows)
        self._lane = Lane(segment, 0, random_seed=42)
        self._lane.adopt(Snapshot.compile(blob))
        self._view = View(segment)

    def ask(self, listener: str, client: str, head: bytes) -> Own | None:
        """Status and location of an answer that no instance gives."""
        connection = Connection(self._lane, self._rows.listener_number(listener), client, NOW)
        action, _, payload = connection.receive(head, NOW)
        assert action in {FORWARD, REPLY, REPLY_CLOSE}, payload
        connection.close(NOW)
        if action == FORWARD:
            return None
        location = LOCATION.search(payload)
        return int(payload[9:12]), location and location[1].decode()

    def count(self, told: Told) -> int:
        """Requests that were counted for its listener and route."""
        route = told.route
        service = route.service if route else None
        row = self._rows.request_row(told.listener.name, route and route.name, service or "")
        return sum(count for _, count in self._view.requests(row))


DESTINATIONS = (
    'service = "api"',
    'service = "web"',
    'redirect = { scheme = "https", port = 8443 }',
    'redirect = { path = "/elsewhere", status = 301 }',
    "respond = { status = 204 }",
)
HOSTS = ("a.example", "b.a.example", "c.b.a.example", "d.test", "e.d.test")
SEGMENTS = ("v1", "v2", "items", "42", "x")
FIELDS = ("X-A", "X-B-C", "User-Agent")
PARAMETERS = ("q", "page size")
COOKIES = ("sid", "beta")
VALUES = ("1", "two", "")
CLIENTS = ("192.0.2.1", "192.0.2.200", "10.0.0.7", "2001:db8::1")
NETWORKS = ("192.0.2.0/25", "192.0.2.0/24", "2001:db8::/32", "10.0.0.0/8")
METHODS = ("GET", "PUT", "DELETE", "TRACE")


def draw_routes(source: random.Random) -> Iterator[str]:
    """Route tables that a file may have together."""
    shadows, count = Shadows(), 0
    while count < ROUTES:
        text = f'[[routes]]\nname = "r{count}"\n{source.choice(DESTINATIONS)}\n' + draw_match(source)
        route = parse(f"{PLAIN}{text}{REST}", "g", {}).routes[0]
        if not any(shadows.add(route.match, ("routes", count))):
            count += 1
            yield text


REST = '[[routes]]\nhost = "other.test"\nservice = "api"\n[[routes]]\nhost = "other2.test"\nservice = "web"\n'


def draw_match(source: random.Random) -> str:
    """What one route asks, each part of it in some routes only."""

    def some(share: float) -> bool:
        return source.random() < share

    lines = []
    if some(0.7):
        host = source.choice(HOSTS)
        lines.append(f'host = "{host if some(0.6) else f"*.{host}"}"')
    if some(0.9) or not lines:
        path = "".join(f"/{source.choice(SEGMENTS)}" for _ in range(source.randint(1, 3)))
        if some(0.15):
            lines.append(f'path = {{ regex = "{path.replace("42", "[0-9]+")}(/.*)?" }}')
        else:
            lines.append(f'path = "{path}{"/*" if some(0.6) else ""}"')
    if some(0.3):
        lines.append(f"methods = {sorted(source.sample(METHODS, source.randint(1, 2)))}")
    for key, names in (("headers", FIELDS), ("query", PARAMETERS), ("cookies", COOKIES)):
        if some(0.2):
            tests = (f'"{name}" = {draw_test(source)}' for name in source.sample(names, source.randint(1, 2)))
            lines.append(f"{key} = {{ {', '.join(tests)} }}")
    if some(0.15):
        lines.append(f'clients = ["{source.choice(NETWORKS)}"]')
    if some(0.15):
        lines.append(f'listeners = ["{source.choice(LISTENERS)}"]')
    return "\n".join(lines) + "\n"


def draw_test(source: random.Random) -> str:
    """What is asked of a value."""
    return source.choice([f'"{source.choice(VALUES)}"', "true", "false", '{ regex = "[0-9]|t.*" }'])


def draw_request(source: random.Random) -> Asked:
    """A request in one of the spellings that clients find."""
    path = "".join(
        source.choice(("/", "/", "/", "//", "/./", "/x/../")) + spelled(source, source.choice(SEGMENTS))
        for _ in range(source.randint(0, 4))
    )
    pairs = [
        f"{spelled(source, source.choice(PARAMETERS).replace(' ', '+'))}={spelled(source, source.choice(VALUES))}"
        for _ in range(source.randint(0, 2))
    ]
    host = source.choice((*HOSTS, "unknown.test"))
    host = source.choice((host, host.upper(), f"{host}.")) + source.choice(("", "", ":8080"))
    fields = [
        (source.choice((name, name.lower(), name.replace("-", "_"))), source.choice(VALUES))
        for name in source.sample(FIELDS, source.randint(0, 3))
    ]
    fields += [
        ("Cookie", f"{source.choice(COOKIES)}={source.choice(VALUES)}") for _ in range(source.randint(0, 2))
    ]
    fields += source.choice(
        [[], [], [("X-Forwarded-For", source.choice(CLIENTS))], [("Content-Length", "4")]]
    )
    return Asked(
        source.choice(METHODS),
        f"http://{host}{path}" + (f"?{'&'.join(pairs)}" if pairs else ""),
        tuple(fields),
        source.choice(CLIENTS),
        source.choice(LISTENERS),
    )


def spelled(source: random.Random, text: str) -> str:
    """A text with some of its characters percent-encoded."""
    return "".join(f"%{ord(char):02x}" if char != "+" and source.random() < 0.1 else char for char in text)


def head(asked: Asked) -> bytes:
    """The request in absolute form, which is none of the forms that the explanation is asked in."""
    lines: Sequence[str] = [
        f"{asked.method} {asked.url} HTTP/1.1",
        "Host: ignored",
        *map(": ".join, asked.headers),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.timeout(300)
def test_explanations_agree_with_the_data_path() -> None:
    """Every request goes where its explanation says, or gets the answer that it says, over random routes."""
    source = random.Random(8)
    config = parse(PLAIN + "".join(draw_routes(source)) + REST, "g", {})
    explainer, path = Explainer(config), DataPath(config)
    seen: set[tuple[bool, int | None]] = set()
    for _ in range(REQUESTS):
        asked = draw_request(source)
        told = explainer.explain(asked)
        before = path.count(told)
        own = path.ask(told.listener.name, asked.client, head(asked))
        assert own == ((told.refusal.status, None) if told.refusal else told.answer), asked
        assert path.count(told) == before + 1, asked
        seen.add((told.route is None, own[0] if own else None))
    answered = {(False, 204), (False, 301), (False, 302)}
    assert seen >= {(False, None), (True, 404), (False, 405), (False, 413)} | answered
