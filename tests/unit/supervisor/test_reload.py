"""What a reload does where nothing may be relied on."""

import logging
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.config.load import parse
from gateway.supervisor import reload
from gateway.supervisor.edition import Bounds, Edition, first_edition
from gateway.supervisor.overrides import OverrideBook
from gateway.supervisor.reload import Reloader
from gateway.supervisor.rows import Rows

TEXT = """\
[[listen]]
address = "127.0.0.1:0"
[services.api]
instances = ["10.0.0.1:80"]
[[routes]]
service = "api"
"""


async def test_a_bug_in_reading_refuses_the_reload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The gateway goes on with what is in force; the log has the traceback, and whoever asked is told."""

    def fails(*_: object) -> Edition:
        raise LookupError("nobody thought of this")

    monkeypatch.setattr(reload, "next_edition", fails)
    running = first_edition(parse(TEXT, "first", {}), Rows.fresh(services=1, series=2, limits=0))
    nothing = cast("Any", None)  # it does not come so far
    reloader = Reloader(
        tmp_path / "gateway.toml",
        {},
        running,
        Bounds(1, 1, lambda _: None),
        serving=lambda: True,
        listeners=nothing,
        roster=nothing,
        workers=nothing,
        equipment=nothing,
        overrides=OverrideBook(lambda: 0),
        membership=nothing,
    )
    with caplog.at_level(logging.ERROR):
        outcome = await reloader.reload()
    assert (outcome.applied, outcome.epoch, outcome.mistakes) == (False, running.epoch, ())
    assert "reading the configuration failed" in outcome.reason
    assert "LookupError: nobody thought of this" in caplog.text
    assert reloader.edition is running
