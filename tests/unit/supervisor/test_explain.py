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
from tests.helpers import configuration
from tests.helpers.proof import PROOF

ROUTES, REQUESTS = (1_000, 10_000) if PROOF else (100, 1_000)
NOW = 1_000_000_000_000
LOCATION = re.compile(rb"\r\nLocation: ([^\r]*)\r\n")

Own = tuple[int, str | None]
NO_SERVICE = "no service of this name"
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
expose = true
instances = ["127.0.0.1:9", { address = "127.0.0.1:10", weight = 0 }, { address = "127.0.0.1:11", labels = { v = "2" } }]
[services.web]
expose = true
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
[[routes]]
host = "named.example"
path = "/{service}/*"
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
        *[("host", "")] * 4,
    ]
    told = sample.explain(Asked("GET", "/v1", (("host", "api.example:80"), ("x_beta", "1"))))
    assert reached(told) == [("api", 100, ["127.0.0.1:11"])]
    assert [misfit.what for _, misfit in told.others] == ["precedence", "listener", *["host"] * 4]


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


def test_the_service_that_a_request_names_is_told(sample: Explainer) -> None:
    """Alone; a name that nobody has is refused."""
    told = sample.explain(Asked("GET", "http://named.example/%77eb/x"))
    assert (told.refusal, reached(told)) == (None, [("web", 100, ["127.0.0.1:12"])])
    for url in ("http://named.example/Web/x", "http://named.example/"):
        told = sample.explain(Asked("GET", url))
        assert told.route is not None
        assert told.refusal is not None
        assert (told.refusal, told.destinations) == ((404, NO_SERVICE), ())


def test_the_coding_of_answers_is_told() -> None:
    """The one that the request would get, and whether only for what is public."""
    compress = 'compress = { codings = ["gzip"] }'
    explainer = Explainer(parse(configuration("127.0.0.1:9", route=compress, routes=(
        'path = "/no"\nservice = "api"', 'path = "/own"\nrespond = {}',
    )), "g", {}))  # fmt: skip
    accepts, cookie = ("Accept-Encoding", "zstd, *;q=0.1"), ("Cookie", "a=b")
    for url, headers, compressed in (
        ("/", (accepts,), ("gzip", False)),
        ("/", (accepts, cookie), ("gzip", True)),
        ("/", (cookie,), (None, True)),
        ("/", (), (None, False)),
        ("/no", (accepts,), None),
        ("/own", (accepts,), None),
        ("/%00", (accepts,), None),
    ):
        assert explainer.explain(Asked("GET", url, headers)).compressed == compressed


def test_what_a_page_is_told_is_told() -> None:
    """By its origin, of routes that say something of that; a preflight leads to no service."""
    cors = 'cors = { origins = ["https://a.example"] }'
    explainer = Explainer(parse(configuration("127.0.0.1:9", route=cors, routes=(
        'path = "/no"\nservice = "api"', f'path = "/own"\nrespond = {{}}\n{cors}',
    )), "g", {}))  # fmt: skip
    ours, other = ("Origin", "https://a.example"), ("Origin", "https://b.example")
    announced = ("Access-Control-Request-Method", "GET")
    for method, url, headers, cross_origin in (
        ("GET", "/", (ours,), (False, True)),
        ("GET", "/", (other,), (False, False)),
        ("GET", "/", (), (False, False)),
        ("OPTIONS", "/", (ours,), (False, True)),
        ("OPTIONS", "/", (ours, announced), (True, True)),
        ("OPTIONS", "/own", (other, announced), (True, False)),
        ("OPTIONS", "/no", (ours, announced), None),
    ):
        told = explainer.explain(Asked(method, url, headers))
        assert told.cross_origin == cross_origin
        goes_on = url != "/own" and not (cross_origin is not None and cross_origin[0])
        assert bool(told.destinations) == goes_on


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


PASSING = """\
[[listen]]
address = "127.0.0.1:6379"
mode = "tcp"
service = "db"
[services.db]
instances = ["127.0.0.1:6380", { address = "127.0.0.1:6381", weight = 0 }]
"""


def test_a_listener_that_passes_everything_through_reads_nothing() -> None:
    """Its service is told whatever is asked; without a port, a listener for requests is meant."""
    explainer = Explainer(parse(f"{SAMPLE}{PASSING}", "g", {}))
    told = explainer.explain(Asked("GET", "http://x:6379/", client="2001:DB8::1"))
    assert (told.listener.name, told.client, told.host, told.path) == (
        "127.0.0.1:6379",
        "2001:db8::1",
        "",
        "",
    )
    assert (told.route, told.refusal, told.answer, told.others) == (None, None, None, ())
    assert reached(told) == [("db", 100, ["127.0.0.1:6380"])]
    with pytest.raises(UnaskableError, match="no IP address"):
        explainer.explain(Asked("GET", "/", client="nobody", listener="127.0.0.1:6379"))
    only = Explainer(parse(f'{PASSING}[[listen]]\naddress = "127.0.0.1:8080"\n{API}', "g", {}))
    assert only.explain(Asked("GET", "/")).listener.name == "127.0.0.1:8080"


API = """\
[services.api]
instances = ["127.0.0.1:9"]
[[routes]]
service = "api"
"""


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
        series = config.series_count()
        segment = Segment.create(
            lanes=4, instances=1, services=2, series=series, limits=1, limit_keys=16, hash_seed=42
        )
        control = Control(segment)
        control.open_lane(0, os.getpid())
        control.write_instance(0, 1, "127.0.0.1:9", weight=1, max_in_flight=0, health=Health.HEALTHY)
        for service in range(2):
            control.publish_members(service, [0])
        self._config = config
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
        nowhere = told.refusal is not None and told.refusal.details == NO_SERVICE
        route = None if nowhere else told.route
        service = route.service if route else None
        if route is not None and route.selects_by_name:
            service = told.destinations[0].name if told.destinations else None
            if service is None:  # refused on its way to a service that is not told
                names = self._config.services_of(route)
                return sum(self._counted(told.listener.name, route.name, name) for name in names)
        return self._counted(told.listener.name, route.name if route else None, service or "")

    def _counted(self, listener: str, route: str | None, service: str) -> int:
        row = self._rows.request_row(listener, route, service)
        return sum(count for _, count in self._view.requests(row))


BY_NAME = ""
"""The match says where requests name their service."""
NAMES = ("api", "web", "Web", "none")
DESTINATIONS = (
    'service = "api"',
    'service = "web"',
    'redirect = { scheme = "https", port = 8443 }',
    'redirect = { path = "/elsewhere", status = 301 }',
    "respond = { status = 204 }",
    'service_by = "header:X-Service"',
    'service = "api"\nmax_body = "8B"',
    'service = "web"\nmaintenance = { allow = ["192.0.2.0/25", "2001:db8::/32"] }',
    BY_NAME,
    BY_NAME,
)
HOSTS = ("a.example", "b.a.example", "c.b.a.example", "d.test", "e.d.test")
SEGMENTS = ("v1", "v2", "items", "42", "x", "api", "web")
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
        leads = source.choice(DESTINATIONS)
        match = draw_match(source, by_name=leads == BY_NAME)
        text = f'[[routes]]\nname = "r{count}"\n{leads}\n{match}'
        route = parse(f"{PLAIN}{text}{REST}", "g", {}).routes[0]
        if not any(shadows.add(route.match, ("routes", count))):
            count += 1
            yield text


REST = '[[routes]]\nhost = "other.test"\nservice = "api"\n[[routes]]\nhost = "other2.test"\nservice = "web"\n'
REST += '[[routes]]\nhost = "named.test"\npath = "/{service}/*"\n'


def draw_match(source: random.Random, *, by_name: bool) -> str:
    """What one route asks, each part of it in some routes only."""

    def some(share: float) -> bool:
        return source.random() < share

    lines = []
    in_host = by_name and some(0.5)
    if in_host or some(0.7):
        host = source.choice(HOSTS)
        left = "{service}" if in_host else "*"
        lines.append(f'host = "{host if not in_host and some(0.6) else f"{left}.{host}"}"')
    if by_name and not in_host:
        below = source.choice(("", *(f"/{segment}" for segment in SEGMENTS)))
        lines.append(f'path = "{below}/{{service}}/*"')
    elif some(0.9) or not lines:
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
    host = f"{source.choice(NAMES)}.{host}" if source.random() < 0.2 else host
    host = source.choice((host, host.upper(), f"{host}.")) + source.choice(("", "", ":8080"))
    fields = [
        (source.choice((name, name.lower(), name.replace("-", "_"))), source.choice(VALUES))
        for name in source.sample(FIELDS, source.randint(0, 3))
    ]
    fields += [("X-Service", source.choice(NAMES)) for _ in range(source.randint(0, 1))]
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
    answered = {(False, 204), (False, 301), (False, 302), (False, 404), (False, 503)}
    assert seen >= {(False, None), (True, 404), (False, 405), (False, 413)} | answered
