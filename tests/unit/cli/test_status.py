"""The status document as people read it."""

from gateway.cli.status import render

WORKER = {
    "slot": 0,
    "pid": 100,
    "lane": 0,
    "state": "ready",
    "restarts": 0,
    "last_exit": None,
    "crash_loop": False,
    "epoch": 3,
}
INSTANCE = {
    "address": "10.0.0.1:9000",
    "state": "healthy",
    "reason": "200",
    "until": None,
    "in_flight": 12,
    "weight": 1,
}
DOCUMENT = {
    "state": "ready",
    "epoch": 3,
    "listeners": [{"name": "0.0.0.0:80", "url": "http://0.0.0.0:80"}],
    "workers": [WORKER, {**WORKER, "slot": 1, "pid": None, "state": "waiting", "restarts": 9, "epoch": None, "last_exit": "was killed by SIGSEGV", "crash_loop": True}],
    "services": [
        {"name": "api", "instances": [INSTANCE, {**INSTANCE, "address": "unix:/run/a", "state": "ejected", "until": "2026-01-02T03:04:05.678Z", "reason": "\x1b[31mno"}]},
        {"name": "empty", "instances": []},
    ],
    "overrides": [],
    "cluster": None,
}  # fmt: skip

RENDERED = """\
ready, epoch 3

LISTENER    URL
0.0.0.0:80  http://0.0.0.0:80

WORKER  STATE    PID  EPOCH  RESTARTS  LAST EXIT
0       ready    100  3      0         -
1       waiting  -    -      9         was killed by SIGSEGV (crash loop)

SERVICE  INSTANCE       STATE    UNTIL                     IN FLIGHT  WEIGHT  REASON
api      10.0.0.1:9000  healthy  -                         12         1       200
         unix:/run/a    ejected  2026-01-02T03:04:05.678Z  12         1       \N{REPLACEMENT CHARACTER}[31mno
empty    -              -        -                         -          -       -"""


def test_the_tables() -> None:
    """Aligned, with a dash for what there is none of, and nothing that a terminal would obey."""
    assert render(DOCUMENT) == RENDERED


def test_overrides_stand_last() -> None:
    """Where there are any."""
    override = {"key": "routes.a.limit.rate", "path": ["routes"], "value": "1/s", "since": "now", "by": "me"}
    assert render({**DOCUMENT, "overrides": [override]}).splitlines()[-2:] == [
        "OVERRIDE             VALUE  SINCE  BY",
        "routes.a.limit.rate  1/s    now    me",
    ]


def test_the_redis_that_limits_are_shared_through() -> None:
    """Where there is one: its servers, whether it can be asked, and this gateway's part."""
    cluster = {
        "redis": ["10.0.0.5:6379", "10.0.0.6:6379"],
        "reachable": False,
        "unreachable_seconds": 2.5,
        "gateways": 3,
        "leases": 7,
    }
    assert render({**DOCUMENT, "cluster": cluster}).splitlines()[-2:] == [
        "REDIS                         STATE        UNREACHABLE  GATEWAYS  LEASES",
        "10.0.0.5:6379, 10.0.0.6:6379  unreachable  2.5 s        3         7",
    ]
