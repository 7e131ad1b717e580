"""What of the native half is built: a benchmark of a debug build would be a lie."""

import os
from pathlib import Path

_ROOT = Path(__file__).parents[1]


class DebugBuildError(Exception):
    """What is to be run is missing, or is no release build."""


def installed_version() -> str:
    """Version of the installed extension."""
    from gateway._native import __version__  # noqa: PLC0415  see require_release

    return __version__


def require_release() -> None:
    """Raises DebugBuildError unless the extension was built for release."""
    # Two constants are read here, past gateway.state: it offers what works with the extension, not what it is made
    # of. Imported late, because other gateways can be measured without the extension.
    try:
        from gateway._native import build_profile  # noqa: PLC0415
    except ImportError as missing:
        raise DebugBuildError(
            f"gateway._native is not built ({missing}); run: maturin develop --release"
        ) from missing
    if build_profile != "release":
        raise DebugBuildError(
            f"gateway._native is a {build_profile} build; benchmarks need: maturin develop --release"
        )


def load_generator() -> Path:
    """Where the load generator of ``native/load`` is, built for release. Raises DebugBuildError when it is not there."""
    program = Path(os.environ.get("CARGO_TARGET_DIR", _ROOT / "target")) / "release" / "headgate-load"
    if not program.exists():
        raise DebugBuildError(f"{program} is not built; run: cargo build --release -p headgate-load")
    return program
