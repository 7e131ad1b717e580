"""What the documents promise exists: commands, files, names."""

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "bench").glob("*.md")),
]
SOURCES = [*(ROOT / "gateway").rglob("*.py")]


def name(path: Path) -> str:
    """The document's path in the repository."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_make_commands_exist(document: Path) -> None:
    """Every `make X` of a document is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    promised = set(re.findall(r"(?:`|\$ )make ([a-z-]+)", document.read_text()))
    assert promised <= targets
    if document == ROOT / "README.md":
        assert {"demo", "test", "check"} <= promised


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_no_line_numbers(document: Path) -> None:
    """Documents cite symbols: a line number is wrong with the next change."""
    assert not re.findall(r"\w\.(?:py|rs|pyi):\d+", document.read_text())


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link points at a file that exists."""
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_files_in_the_architecture_exist() -> None:
    """Every source file that the architecture document names is there."""
    text = (ROOT / "docs/architecture.md").read_text()
    named = set(re.findall(r"`((?:gateway|native|tests|bench|examples|docs)/[\w./-]+)`", text))
    assert named
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def test_metric_names_exist_once() -> None:
    """A metric is spelled in one place of the source."""
    counted = Counter(
        found for path in SOURCES for found in re.findall(r'"(headgate_[a-z_]+)"', path.read_text())
    )
    assert "headgate_requests_total" in counted
    assert [metric for metric, count in counted.items() if count > 1] == []


def test_ci_runs_what_the_readme_names() -> None:
    """.ci/run is the two commands and nothing else."""
    commands = re.findall(r"^make .*$", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    assert commands == ["make test", "make check"]
