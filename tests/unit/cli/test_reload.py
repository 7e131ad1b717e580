"""What ``headgate reload`` makes of the gateway's answer."""

from gateway.cli.reload import applied, refused


def test_what_changed() -> None:
    """The epoch, a line for each change, and warnings last."""
    document = {
        "applied": True,
        "epoch": 7,
        "changes": ["service api changed"],
        "warnings": ["worker 3 is late"],
    }
    assert applied(document).splitlines() == [
        "reloaded: epoch 7 is in force",
        "  service api changed",
        "  warning: worker 3 is late",
    ]
    assert applied({**document, "changes": [], "warnings": []}).splitlines()[1:] == ["  nothing changed"]


def test_why_nothing_changed() -> None:
    """The reason and every mistake with its place; one of the whole file has none."""
    mistakes = [
        {"file": None, "path": "routes[0].path", "message": "expected a path", "line": 12, "column": 8},
        {"file": "a.toml", "path": "routes", "message": "expected a list", "line": 1, "column": 2},
        {"file": None, "path": "", "message": "the engine refuses it", "line": None, "column": None},
    ]
    document = {"applied": False, "epoch": 6, "reason": "the configuration is wrong", "mistakes": mistakes}
    assert refused(document).splitlines() == [
        "refused, epoch 6 stays in force: the configuration is wrong",
        "  12:8: routes[0].path: expected a path",
        "  a.toml:1:2: routes: expected a list",
        "  the engine refuses it",
    ]


def test_a_request_that_was_not_let_in() -> None:
    """The guard of the admin API gives a reason only."""
    assert refused({"reason": "Host must be an IP address or localhost"}) == (
        "refused: Host must be an IP address or localhost"
    )
