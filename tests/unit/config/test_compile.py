"""The snapshot that a configuration is compiled into."""

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.compile import compile_snapshot
from gateway.config.compression import DEFAULT_TYPES
from gateway.config.load import parse
from gateway.model import Labels
from gateway.state.control import Snapshot
from gateway.supervisor.rows import Rows

GOLDEN = Path(__file__).parent / "golden" / "right"

USUAL = """\
[[listen]]
address = "127.0.0.1:8080"
max = { body = "0B", requests = 9 }
[[listen]]
address = "unix:/run/h.sock"
[services.web]
instances = ["a:1"]
passive = false
[services.api]
instances = ["b:1"]
balance = "round_robin"
max_idle = 3
passive = { statuses = [502, 504] }
timeouts = { connect = "1s", first_byte = "2s", idle = "3s", keepalive = "4s" }
[[routes]]
host = "A.example"
path = "/v1/*"
methods = ["GET"]
service = "api"
retry = { attempts = 1 }
limit = [{ rate = "100/s" }, { name = "hourly", rate = "5/h", burst = 7 }]
[[routes]]
service = "web"
"""


class NumberedRows:
    """Gives out rows in the order of asking, each identity its own."""

    def __init__(self) -> None:
        self.given: dict[tuple[str, ...], int] = {}
        self.listeners: dict[str, int] = {}

    def service_slot(self, service: str) -> int:
        """A row for a service."""
        return self._row("service", service)

    def subset_slot(self, service: str, labels: Labels) -> int:
        """A row for a subset of a service."""
        return self._row("subset", service, *(f"{name}={value}" for name, value in labels))

    def listener_number(self, listener: str) -> int:
        """The next number."""
        return self.listeners.setdefault(listener, len(self.listeners))

    def request_row(self, listener: str, route: str | None, service: str) -> int:
        """A row for a listener and a route to a service, or for none; a route may answer itself. Without a route a service is the one
        that gets all connections.
        """
        if route is None and service:
            return self._row("passed", listener, service)
        return self._row("request", listener, "" if route is None else f"route {route}")

    def mirror_row(self, route: str, service: str) -> int:
        """A row for the copies of a route's requests."""
        return self._row("mirror", route, service)

    def limit_row(self, kind: str, owner: str, limit: str) -> int:
        """A row for a limit of a route or service."""
        return self._row("limit", kind, owner, limit)

    def _row(self, *identity: str) -> int:
        return self.given.setdefault(identity, 100 + len(self.given))


PLAIN = {
    "key": ["client_ip"],
    "missing": "own",
    "cost": {"constant": 1},
    "overflow": "allow",
    "mode": "enforce",
    "fields": "refused",
    "shared": None,
}
"""What a limit is that says nothing about it."""


@pytest.mark.parametrize(
    ("access", "target"), [("off", None), ("stdout", "stdout"), ("/log/access", "/log/access")]
)
def test_the_access_log_is_asked_of_both_halves(access: str, target: str | None) -> None:
    """The worker learns where lines go, and the engine whether there are any."""
    text = f'[log]\naccess = "{access}"\n{USUAL}'
    head, blob = compile_snapshot(parse(text, "g", {}), 7, NumberedRows())
    assert (head["access_log"], orjson.loads(blob)["access_log"]) == (target, target is not None)


def test_the_engine_learns_who_is_trusted_and_where_to_expect_proxy_headers() -> None:
    """Networks in prefix notation; without any nobody is trusted."""
    blob = orjson.loads(compile_snapshot(parse(USUAL, "g", {}), 7, NumberedRows())[1])
    assert blob["trusted_proxies"] == []
    text = '[gateway]\ntrusted_proxies = ["10.0.0.0/8", "::1"]\n' + USUAL.replace(
        "max =", "proxy_protocol = true\nmax ="
    )
    blob = orjson.loads(compile_snapshot(parse(text, "g", {}), 7, NumberedRows())[1])
    assert blob["trusted_proxies"] == ["10.0.0.0/8", "::1/128"]
    assert [listener["proxy_protocol"] for listener in blob["listeners"]] == [True, False]


def test_the_head_tells_a_worker_what_python_needs() -> None:
    """Listeners by name, services with what their pools are made from."""
    rows = NumberedRows()
    head, _ = compile_snapshot(parse(USUAL, "g", {}), 7, rows)
    assert head == {
        "type": "snapshot",
        "epoch": 7,
        "access_log": None,
        "log_level": "info",
        "listeners": [{"name": "127.0.0.1:8080", "number": 0}, {"name": "unix:/run/h.sock", "number": 1}],
        "services": [
            {
                "name": "web",
                "slot": rows.given["service", "web"],
                "connect_timeout_ms": 2000,
                "keepalive_timeout_ms": 55000,
                "max_idle": 64,
                "user_timeout_ms": 120_000,
                "max_pending": 1024,
            },
            {
                "name": "api",
                "slot": rows.given["service", "api"],
                "connect_timeout_ms": 1000,
                "keepalive_timeout_ms": 4000,
                "max_idle": 3,
                "user_timeout_ms": 120_000,
                "max_pending": 1024,
            },
        ],
    }


def test_the_kernel_is_more_patient_with_instances_than_any_write_time_out() -> None:
    """An instance serves the clients of every listener, and the longest of their time-outs comes first."""
    text = USUAL.replace("[[listen]]", '[[listen]]\ntimeouts = { write = "10m" }', 1)
    head, _ = compile_snapshot(parse(text, "g", {}), 7, NumberedRows())
    assert [service["user_timeout_ms"] for service in head["services"]] == [660_000, 660_000]


def test_the_blob_tells_the_engine_what_it_decides_by() -> None:
    """Every policy with its unit in its name, indexes within the blob, and rows by identity."""
    rows = NumberedRows()
    _, blob = compile_snapshot(parse(USUAL, "g", {}), 7, rows)
    document, given = orjson.loads(blob), rows.given
    assert document["epoch"] == 7
    assert document["listeners"][0] == {
        "name": "127.0.0.1:8080",
        "scheme": "http",
        "proxy_protocol": False,
        "row": given["request", "127.0.0.1:8080", ""],
        "header_timeout_ms": 10000,
        "body_idle_timeout_ms": 30000,
        "keepalive_timeout_ms": 75000,
        "write_timeout_ms": 60000,
        "min_bytes_per_second": 500,
        "max_head_bytes": 32768,
        "max_line_bytes": 8192,
        "max_fields": 100,
        "max_target_bytes": 8192,
        "max_body_bytes": 0,
        "max_requests": 9,
        "max_age_ms": None,
        "keep_in_paths": [],
        "max_connections_per_client": None,
        "passage": None,
    }
    assert document["listeners"][1]["max_body_bytes"] is None
    assert document["services"][1] == {
        "name": "api",
        "slot": given["service", "api"],
        "balance": "round_robin",
        "key": None,
        "cookie": None,
        "slow_start_ms": 15_000,
        "connect_timeout_ms": 1000,
        "first_byte_timeout_ms": 2000,
        "idle_timeout_ms": 3000,
        "tunnel_timeout_ms": 3600000,
        "failure_statuses": [502, 504],
        "proxy_protocol": None,
        "retry_budget": {"percent": 20, "tokens": 3, "period_ms": 1_000},
        "maintenance": None,
        "queue": None,
        "limits": [],
        "concurrency": [],
    }
    assert document["services"][0]["failure_statuses"] == []
    name = "GET a.example/v1/*"
    assert document["routes"] == [
        {
            "name": name,
            "host": "a.example",
            "path": "/v1/*",
            "pattern": None,
            "methods": ["GET"],
            "conditions": {},
            "service": 1,
            "split": None,
            "named": None,
            "answer": None,
            "mirror": None,
            "fault": None,
            "subset": None,
            "tries": 1,
            "timeouts": {},
            "terms": {"max_body_bytes": None, "errors": [], "cors": None},
            "maintenance": None,
            "limits": [
                {
                    "name": "default",
                    "row": given["limit", "routes", name, "default"],
                    "tokens": 100,
                    "period_ns": 1_000_000_000,
                    "burst": 100,
                    **PLAIN,
                },
                {
                    "name": "hourly",
                    "row": given["limit", "routes", name, "hourly"],
                    "tokens": 5,
                    "period_ns": 3_600_000_000_000,
                    "burst": 7,
                    **PLAIN,
                },
            ],
            "concurrency": [],
            "rows": [
                given["request", address, f"route {name}"]
                for address in ("127.0.0.1:8080", "unix:/run/h.sock")
            ],
            "edits": {},
            "compression": None,
        },
        {
            "name": "*",
            "host": None,
            "path": None,
            "pattern": None,
            "methods": [],
            "conditions": {},
            "service": 0,
            "split": None,
            "named": None,
            "answer": None,
            "mirror": None,
            "fault": None,
            "subset": None,
            "tries": 2,
            "timeouts": {},
            "terms": {"max_body_bytes": None, "errors": [], "cors": None},
            "maintenance": None,
            "limits": [],
            "concurrency": [],
            "rows": [
                given["request", address, "route *"] for address in ("127.0.0.1:8080", "unix:/run/h.sock")
            ],
            "edits": {},
            "compression": None,
        },
    ]


def test_the_engine_learns_what_a_route_asks_for() -> None:
    """Each kind of condition, listeners by the numbers that connections know them by."""
    asking = """
path = { regex = "/v[0-9]+/.*" }
headers = { X-Version = "two", beta = true, x-old = false, user-agent = { regex = ".*Mobile.*" } }
cookies = { tester = "yes" }
query = { "a b" = "" }
clients = ["10.0.0.0/8", "::1"]
listeners = ["unix:/run/h.sock"]
"""
    text = USUAL.replace('path = "/v1/*"', asking)
    route = orjson.loads(compile_snapshot(parse(text, "g", {}), 7, NumberedRows())[1])["routes"][0]
    assert (route["path"], route["pattern"]) == (None, "/v[0-9]+/.*")
    assert route["conditions"] == {
        "headers": [
            {"name": "X-Version", "test": {"exact": "two"}},
            {"name": "beta", "test": "present"},
            {"name": "x-old", "test": "absent"},
            {"name": "user-agent", "test": {"pattern": ".*Mobile.*"}},
        ],
        "cookies": [{"name": "tester", "test": {"exact": "yes"}}],
        "query": [{"name": "a b", "test": {"exact": ""}}],
        "clients": ["10.0.0.0/8", "::1/128"],
        "listeners": [1],
    }


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*.toml")), ids=lambda file: file.stem)
def test_the_engine_takes_every_right_configuration(file: Path) -> None:
    """What this side calls right, the engine compiles."""
    native = pytest.importorskip("gateway._native")
    environ = {
        "WORKERS": "4",
        "HOST": "127.0.0.1",
        "PORT": "8080",
        "SERVICE": "api",
        "COOKIE_SECRET": "a secret of this test",
    }
    config = parse(file.read_text(encoding="utf-8"), file.name, environ)
    assert native.Snapshot.compile(compile_snapshot(config, 3, NumberedRows())[1]).epoch == 3


def test_a_listener_may_pass_its_connections_through() -> None:
    """To a service by its index, counted in a row of their own; what is left of a listener whose service is gone leads nowhere."""
    text = (GOLDEN / "passed_through.toml").read_text(encoding="utf-8")
    config, rows = parse(text, "g", {}), NumberedRows()
    later = parse(USUAL, "g", {})
    for compiled, index in (
        (compile_snapshot(config, 1, rows), 0),
        (compile_snapshot(later, 2, rows, config.listen), None),
    ):
        (_, blob) = compiled
        listeners = {one["name"]: one for one in orjson.loads(blob)["listeners"]}
        listener = listeners["127.0.0.1:6379"]
        assert listener["scheme"] == "tcp"
        assert listener["passage"] == {"service": index, "tries": 1}
        assert listener["row"] == rows.given["passed", "127.0.0.1:6379", "db"]
        assert Snapshot.compile(blob).epoch in {1, 2}
    (service,) = orjson.loads(compile_snapshot(config, 1, rows)[1])["services"]
    assert (service["proxy_protocol"], service["balance"]) == ("v2", {"hash": {"bounded_load": None}})


@given(
    host=st.sampled_from(["", 'host = "*.a.example"', 'host = "[::1]"', f'host = "{"a." * 126}a"']),
    path=st.sampled_from(["", 'path = "/*"', 'path = "/"', f'path = "/{"a" * 1000}/*"']),
    limit=st.sampled_from(
        ['rate = "1/h", burst = 8000', 'rate = "1000000000/s", burst = 1000000000', 'rate = "1/s"']
    ),
    attempts=st.integers(0, 10),
    largest=st.booleans(),
)
def test_the_engine_takes_the_extremes(
    host: str, path: str, limit: str, attempts: int, largest: bool
) -> None:
    """The bounds of this side lie within the bounds of the engine."""
    native = pytest.importorskip("gateway._native")
    extremes = 'head = "1MiB", line = "1MiB", fields = 256, target = "1MiB", body = "1000000GB", requests = 1000000000'
    least = 'head = "1KiB", line = "256B", fields = 1, target = "64B", body = "0B", requests = 1'
    text = f"""
[[listen]]
address = "127.0.0.1:0"
max = {{ {extremes if largest else least} }}
timeouts = {{ header = "{"24h" if largest else "1ms"}" }}
[services.api]
instances = ["a:1"]
[[routes]]
{host}
{path}
service = "api"
limit = {{ {limit} }}
retry = {{ attempts = {attempts} }}
"""
    blob = compile_snapshot(parse(text, "g", {}), 1, NumberedRows())[1]
    assert native.Snapshot.compile(blob).epoch == 1


def test_a_listener_stands_at_its_number() -> None:
    """Those of earlier configurations keep theirs, with a row for every route; the head names only the present ones."""
    rows = NumberedRows()
    before = parse(USUAL, "g", {})
    compile_snapshot(before, 1, rows)
    text = USUAL.replace("127.0.0.1:8080", "127.0.0.1:9090")
    head, blob = compile_snapshot(parse(text, "g", {}), 2, rows, before.listen[:1])
    assert head["listeners"] == [
        {"name": "127.0.0.1:9090", "number": 2},
        {"name": "unix:/run/h.sock", "number": 1},
    ]
    document = orjson.loads(blob)
    names = ["127.0.0.1:8080", "unix:/run/h.sock", "127.0.0.1:9090"]
    assert [listener["name"] for listener in document["listeners"]] == names
    assert document["listeners"][0]["row"] == rows.given["request", names[0], ""]
    web = next(route for route in document["routes"] if route["name"] == "*")
    assert web["rows"] == [rows.given["request", name, "route *"] for name in names]


def test_the_engine_learns_where_requests_name_their_service() -> None:
    """Which services may be named, each with rows of its own; a path is matched and rewritten without the name."""
    services = "".join(
        f'[services.{name}]\ninstances = ["{name}:1"]\nexpose = {expose}\n'
        for name, expose in (("api", "true"), ("hidden", "false"), ("web", "true"))
    )
    routes = (
        'path = "/apps/{service}/*"',
        'host = "{service}.internal"',
        'path = "/x"\nservice_by = "cookie:s"',
        'path = "/v1/{service}/*"\nrewrite = { path = "/y" }',
        'host = "hidden"\nservice = "hidden"',
    )
    text = (
        '[[listen]]\naddress = "127.0.0.1:0"\n'
        + services
        + "".join(f"[[routes]]\n{route}\n" for route in routes)
    )
    _, blob = compile_snapshot(parse(text, "g", {}), 1, Rows.fresh(services=8, series=64, limits=8))
    path, host, part, rewritten, plain = orjson.loads(blob)["routes"]
    places = [route["named"]["place"] for route in (path, host, part, rewritten)]
    assert places == ["segment", "host", {"part": "cookie:s"}, "segment"]
    assert [named["service"] for named in path["named"]["services"]] == [0, 2]
    assert len({tuple(named["rows"]) for named in path["named"]["services"]}) == 2
    assert (path["rows"], plain["named"], path["path"], host["host"]) == ([], None, "/apps/*", "*.internal")
    paths = [route["edits"].get("rewrite", {}).get("path") for route in (path, host, part, rewritten)]
    assert paths == [{"prefix": "/"}, None, None, {"whole": "/y"}]
    Snapshot.compile(blob)


def test_the_engine_learns_what_a_route_changes() -> None:
    """Fields in the order of the file, and of what a route leaves alone nothing."""
    text = (
        '[[listen]]\naddress = "127.0.0.1:0"\n[services.a]\ninstances = ["a:1"]\n'
        '[[routes]]\nservice = "a"\n'
        '[[routes]]\npath = "/v1/*"\nservice = "a"\nrewrite = { prefix = "/", host = "b:1" }\n'
        'request_headers = { set = { Z = "{path}", A = "1" }, remove = ["B"] }\n'
        '[[routes]]\npath = "/v2"\nservice = "a"\nrewrite = { path = "/b" }\nresponse_headers = { add = { C = "2" } }\n'
    )
    _, blob = compile_snapshot(parse(text, "file", {}), 1, NumberedRows())
    assert [route["edits"] for route in orjson.loads(blob)["routes"]] == [
        {},
        {
            "request": {"set": [["Z", "{path}"], ["A", "1"]], "add": [], "remove": ["B"]},
            "rewrite": {"host": "b:1", "path": {"prefix": "/"}},
        },
        {
            "response": {"set": [], "add": [["C", "2"]], "remove": []},
            "rewrite": {"host": None, "path": {"whole": "/b"}},
        },
    ]
    Snapshot.compile(blob)


def test_the_engine_learns_what_a_route_injects() -> None:
    """With statuses, times and shares; what hits nobody it need not know."""
    faults = [
        'abort = 503, delay = "1.5s", delay_percent = 7',
        'abort = 503, abort_percent = 0, delay = "1ms"',
        'abort = 500, abort_percent = 3, delay = "1ms", delay_percent = 0',
        'abort = 503, abort_percent = 0, delay = "1ms", delay_percent = 0',
    ]
    text = '[[listen]]\naddress = "127.0.0.1:0"\n[services.a]\ninstances = ["a:1"]\n' + "".join(
        f'[[routes]]\npath = "/{index}"\nservice = "a"\nfault = {{ {fault} }}\n'
        for index, fault in enumerate(faults)
    )
    _, blob = compile_snapshot(parse(text, "file", {}), 1, NumberedRows())
    assert [route["fault"] for route in orjson.loads(blob)["routes"]] == [
        {"abort": {"status": 503, "share": 100}, "delay": {"delay_ms": 1500, "share": 7}},
        {"abort": None, "delay": {"delay_ms": 1, "share": 100}},
        {"abort": {"status": 500, "share": 3}, "delay": None},
        None,
    ]
    Snapshot.compile(blob)


def test_the_engine_learns_what_a_route_compresses() -> None:
    """``true`` stands for all the defaults, and a table changes some; levels go with their codings."""
    text = (
        '[[listen]]\naddress = "127.0.0.1:0"\n[services.a]\ninstances = ["a:1"]\n'
        '[[routes]]\npath = "/1"\nservice = "a"\ncompress = true\n'
        '[[routes]]\npath = "/2"\nservice = "a"\ncompress = false\n'
        '[[routes]]\npath = "/3"\nservice = "a"\n'
        'compress = { codings = ["gzip"], types = ["Text/*"], min_length = "2KiB", gzip_level = 9, with_credentials = true }\n'
    )
    _, blob = compile_snapshot(parse(text, "file", {}), 1, NumberedRows())
    assert [route["compression"] for route in orjson.loads(blob)["routes"]] == [
        {
            "codings": [{"coding": "zstd", "level": 3}, {"coding": "gzip", "level": 4}],
            "types": list(DEFAULT_TYPES),
            "min_length": 1024,
            "with_credentials": False,
        },
        None,
        {
            "codings": [{"coding": "gzip", "level": 9}],
            "types": ["text/*"],
            "min_length": 2048,
            "with_credentials": True,
        },
    ]
    Snapshot.compile(blob)


def test_the_engine_learns_what_other_origins_may_do() -> None:
    """Origins in the form of browsers, the methods of the route where no others are said, and rows of the route without a service."""
    text = (
        '[[listen]]\naddress = "127.0.0.1:0"\n[services.a]\ninstances = ["a:1"]\n'
        '[[routes]]\npath = "/1"\nmethods = ["PUT"]\nservice = "a"\ncors = { origins = ["HTTPS://A.example:443"] }\n'
        '[[routes]]\npath = "/2"\nmethods = ["PUT", "PATCH"]\nservice = "a"\n'
        'cors = { origins = ["null"], methods = ["PATCH"], headers = ["X"], expose = ["Y"], credentials = true, max_age = "1500ms" }\n'
    )
    rows = NumberedRows()
    config = parse(text, "file", {})
    _, blob = compile_snapshot(config, 1, rows)
    assert [route["terms"]["cors"] for route in orjson.loads(blob)["routes"]] == [
        {
            "origins": ["https://a.example"],
            "methods": ["PUT"],
            "headers": [],
            "expose": [],
            "credentials": False,
            "max_age_s": None,
            "rows": [rows.request_row("127.0.0.1:0", "PUT /1", "")],
        },
        {
            "origins": ["null"],
            "methods": ["PATCH"],
            "headers": ["X"],
            "expose": ["Y"],
            "credentials": True,
            "max_age_s": 2,
            "rows": [rows.request_row("127.0.0.1:0", "PATCH,PUT /2", "")],
        },
    ]
    assert config.series_count() == 1 + 2 * 2
    Snapshot.compile(blob)


def test_the_engine_learns_how_requests_are_split() -> None:
    """Each side has its share and a row for each listener, by its service."""
    text = (
        '[[listen]]\naddress = "127.0.0.1:0"\n[services.a]\ninstances = ["a:1"]\n[services.b]\ninstances = ["b:1"]\n'
        '[[routes]]\nname = "r"\nsplit = [{ service = "b", weight = 95 }, { service = "a", weight = 5 }]\n'
        'split_by = "header:X-V"\nsplit_sticky = "client_ip"\n'
    )
    rows = Rows.fresh(services=2, series=3, limits=1)
    _, blob = compile_snapshot(parse(text, "file", {}), 1, rows)
    (route,) = orjson.loads(blob)["routes"]
    sides = route["split"].pop("sides")
    assert route["split"] == {"named_by": "header:X-V", "sticky": "client_ip"}
    assert [(side["service"], side["share"]) for side in sides] == [(1, 95), (0, 5)]
    assert (route["service"], route["rows"]) == (None, [])
    assert [side["rows"] for side in sides] == [[rows.request_row("127.0.0.1:0", "r", name)] for name in "ba"]
    assert sides[0]["rows"] != sides[1]["rows"]
    Snapshot.compile(blob)


def test_the_engine_learns_what_a_route_answers() -> None:
    """A redirect with what it changes, and a fixed answer with its body; both are counted without a service."""
    text = (
        '[[listen]]\naddress = "127.0.0.1:0"\n[services.a]\ninstances = ["a:1"]\n'
        '[[routes]]\nname = "on"\npath = "/v1/*"\nredirect = { scheme = "https", port = 1, prefix = "/b", status = 301 }\n'
        '[[routes]]\nname = "here"\npath = "/v2"\nrespond = { body = "hello" }\n'
        '[[routes]]\nservice = "a"\n'
    )
    rows = NumberedRows()
    _, blob = compile_snapshot(parse(text, "file", {}), 1, rows)
    on, here, to = orjson.loads(blob)["routes"]
    path = {"prefix": "/b"}
    redirect = {"status": 301, "scheme": "https", "host": None, "port": 1, "path": path}
    fixed = {"status": 200, "content_type": "text/plain; charset=utf-8", "body": "hello"}
    assert (on["service"], on["answer"]) == (None, {"redirect": redirect})
    assert (here["service"], here["answer"]) == (None, {"fixed": fixed})
    assert (to["service"], to["answer"]) == (0, None)
    assert on["rows"] == [rows.given["request", "127.0.0.1:0", "route on"]]
    Snapshot.compile(blob)


def test_limits_of_routes_and_services_have_rows_of_their_own() -> None:
    """A service's limit arrives with all its rules, and shares no row with the limit of a route of that name."""
    text = (
        '[[listen]]\naddress = "127.0.0.1:0"\n[services.a]\ninstances = ["a:1"]\n'
        'limit = { rate = "5/s", key = ["service"], cost = { response_header = "X-Cost" }, mode = "shadow" }\n'
        '[[routes]]\nname = "a"\nservice = "a"\n'
        'limit = { rate = "9/s", key = ["header:x", "path"], missing = "skip", cost = 2, overflow = "refuse", fields = "all" }\n'
    )
    rows = NumberedRows()
    _, blob = compile_snapshot(parse(text, "file", {}), 1, rows)
    document = orjson.loads(blob)
    (of_service,), (of_route,) = document["services"][0]["limits"], document["routes"][0]["limits"]
    assert of_service.items() >= {
        "row": rows.given["limit", "services", "a", "default"], "key": ["service"],
        "cost": {"response_header": "X-Cost"}, "mode": "shadow",
    }.items()  # fmt: skip
    assert of_route.items() >= {
        "row": rows.given["limit", "routes", "a", "default"], "key": ["header:x", "path"], "missing": "skip",
        "cost": {"constant": 2}, "overflow": "refuse", "mode": "enforce", "fields": "all", "shared": None,
    }.items()  # fmt: skip
    assert of_service["row"] != of_route["row"]
    Snapshot.compile(blob)


def test_the_engine_learns_what_a_service_goes_by() -> None:
    """The algorithm with its bound, the key, and the cookie with its secret; none of it in the head, which workers log."""
    services = """
[[listen]]
address = "127.0.0.1:0"
[services.a]
instances = ["a:1"]
balance = "hash"
hash = { key = "cookie:id", bounded_load = "150%" }
[services.b]
instances = ["b:1"]
balance = "sticky"
sticky = { cookie = "hg", secret = "${env:S}", max_age = "1500ms" }
[services.c]
instances = ["c:1"]
balance = "random"
[[routes]]
host = "a.example"
service = "a"
[[routes]]
host = "b.example"
service = "b"
[[routes]]
service = "c"
"""
    secret = "a secret of this test"
    head, blob = compile_snapshot(parse(services, "g", {"S": secret}), 1, NumberedRows())
    seen = [(one["balance"], one["key"], one["cookie"]) for one in orjson.loads(blob)["services"]]
    cookie = {
        "name": "hg", "secret": secret, "path": "/", "secure": False, "same_site": "lax", "max_age_s": 2,
    }  # fmt: skip
    assert seen == [
        ({"hash": {"bounded_load": 150}}, "cookie:id", None),
        ("sticky", None, cookie),
        ("random", None, None),
    ]
    assert secret not in str(head)


def test_concurrency_counts_everything_unless_it_has_a_key() -> None:
    """A number alone is for the whole route or service; a table arrives with all that it says."""
    text = (
        '[[listen]]\naddress = "127.0.0.1:0"\n[services.a]\ninstances = ["a:1"]\nconcurrency = 7\n'
        '[[routes]]\nname = "a"\nservice = "a"\nlimit = { rate = "1/s" }\n'
        'concurrency = [9, { name = "x", max = 3, key = ["cookie:c"], missing = "refuse", mode = "shadow" }]\n'
    )
    rows = NumberedRows()
    _, blob = compile_snapshot(parse(text, "file", {}), 1, rows)
    document = orjson.loads(blob)
    (of_service,), (of_route, keyed) = (document[kind][0]["concurrency"] for kind in ("services", "routes"))
    assert (of_service["most"], of_service["key"]) == (7, ["service"])
    assert (of_route["most"], of_route["key"], of_route["overflow"]) == (9, ["route"], "allow")
    assert keyed == {
        "name": "x", "row": rows.given["limit", "routes", "a", "x"], "most": 3, "key": ["cookie:c"],
        "missing": "refuse", "overflow": "allow", "mode": "shadow",
    }  # fmt: skip
    assert (
        len({limit["row"] for limit in (of_service, of_route, keyed, document["routes"][0]["limits"][0])})
        == 4
    )
    Snapshot.compile(blob)


@pytest.mark.parametrize(
    ("written", "compiled"),
    [
        ("false", None),
        ("{}", {"percent": 20, "tokens": 3, "period_ms": 1_000}),
        ('{ share = "100%", floor = "7/m" }', {"percent": 100, "tokens": 7, "period_ms": 60_000}),
        ('{ floor = "1000000000/s" }', {"percent": 20, "tokens": 1_000_000_000, "period_ms": 1_000}),
    ],
)
def test_a_retry_budget_is_a_share_and_a_floor(written: str, compiled: object) -> None:
    """Both arrive as they were written, or by default; no budget is none."""
    text = (
        '[[listen]]\naddress = "127.0.0.1:0"\n[[routes]]\nservice = "a"\n'
        f'[services.a]\ninstances = ["a:1"]\nretry_budget = {written}\n'
    )
    _, blob = compile_snapshot(parse(text, "file", {}), 1, NumberedRows())
    assert orjson.loads(blob)["services"][0]["retry_budget"] == compiled
    Snapshot.compile(blob)


def test_gateways_that_share_limits_hash_alike() -> None:
    """The seed follows from prefix and secret alone; the low mark from the rate, in requests."""
    text = (
        '[cluster]\nredis = "{redis}"\n{more}\n[[listen]]\naddress = "127.0.0.1:0"\n[services.api]\ninstances = ["a:1"]\n'
        '[[routes]]\nservice = "api"\n'
        'limit = {{ rate = "10000/s", burst = 20000, cost = 5, scope = "cluster" }}\n'
    )

    def shared(redis: str, more: str = "") -> dict[str, int]:
        environ = {"SECRET": "a secret of this test", "OTHER": "another of this test"}
        config = parse(text.format(redis=redis, more=more), "test", environ)
        _, blob = compile_snapshot(config, 1, NumberedRows())
        found: dict[str, int] = orjson.loads(blob)["routes"][0]["limits"][0]["shared"]
        return found

    plain = shared("one:1")
    assert plain["low"] == 10
    assert shared("two:1", 'timeout = "1s"') == plain
    variants = [
        shared("one:1", more)
        for more in ('prefix = "p:"', 'secret = "${env:SECRET}"', 'secret = "${env:OTHER}"')
    ]
    assert len({one["seed"] for one in [plain, *variants]}) == 4
