"""The direction of the imports, and what a worker process loads."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import Gateway, configuration

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "gateway").rglob("*.py"))
CONTROL_PLANE = {"aiohttp", "click", "flask", "pydantic", "starlette", "tree_sitter", "uvicorn"}


def imported(path: Path) -> set[str]:
    """Every module that a file imports, anywhere in it; ``from a import b`` counts as a and as a.b."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_import_contracts() -> None:
    """import-linter keeps every contract of pyproject.toml."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_one_door_to_the_extension() -> None:
    """Only gateway.state imports gateway._native; import-linter cannot see compiled modules."""
    doors = {path for path in MODULES if any(name.startswith("gateway._native") for name in imported(path))}
    assert doors, "nothing imports the extension: this test looks at the wrong place"
    assert {path.relative_to(ROOT).parts[1] for path in doors} == {"state"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_say_their_job(path: Path) -> None:
    """Every module opens with a docstring."""
    assert ast.get_docstring(ast.parse(path.read_text())), f"{path} does not say what it is for"


def test_a_worker_imports_nothing_of_the_control_plane() -> None:
    """Importing all that a worker runs loads no module of the control plane."""
    program = "import gateway.worker.main, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    tops = {name.partition(".")[0] for name in loaded.stdout.split()}
    assert "gateway" in tops
    assert tops.isdisjoint(CONTROL_PLANE)


async def test_a_running_worker_maps_nothing_of_the_control_plane() -> None:
    """A worker that serves has no compiled module of the control plane in its memory."""
    async with Gateway(configuration("127.0.0.1:1")) as gateway:
        maps = Path(f"/proc/{gateway.workers[0]}/maps").read_text()
    assert "gateway/_native" in maps
    for name in CONTROL_PLANE:
        assert f"site-packages/{name}" not in maps
