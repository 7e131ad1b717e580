"""Fixtures of the worker's tests."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.unit.worker.stage import Stage, Transport

SetUp = Callable[..., Awaitable[Stage]]


def in_kernel(transport: Transport) -> int:
    """What the kernel holds for a transport of the stage."""
    return transport.in_kernel


@pytest.fixture
def stage_with(monkeypatch: pytest.MonkeyPatch) -> SetUp:
    """Makes a stage whose clock the worker reads."""

    async def set_up(**settings: Any) -> Stage:
        stage = Stage(**settings)
        for module in ("ingress", "mirror", "plane", "short_clock", "tunnel", "waiting"):
            monkeypatch.setattr(f"gateway.worker.{module}.monotonic_ns", lambda: stage.now)
        monkeypatch.setattr("gateway.worker.transport._in_kernel", in_kernel)
        return stage

    return set_up


@pytest.fixture
async def stage(stage_with: SetUp) -> Stage:
    """A stage of the usual kind: two instances, two extra tries."""
    return await stage_with()
