"""``headgate check`` as people call it."""

from pathlib import Path

from click.testing import CliRunner

from gateway.cli.check import check

GOLDEN = Path(__file__).parent / "golden"


def test_a_right_file_is_summed_up_in_one_line() -> None:
    """The summary is on standard output, and the exit code is 0."""
    file = GOLDEN / "right" / "every_key.toml"
    result = CliRunner().invoke(check, [str(file)])
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"{file}: 2 listeners, 2 services, 3 instances, 2 routes, 2 limits")
    assert result.stdout.count("\n") == 1


def test_a_wrong_file_is_reported_on_standard_error() -> None:
    """All the mistakes are there, nothing is on standard output, and the exit code is 2."""
    result = CliRunner().invoke(check, [str(GOLDEN / "wrong" / "ten_kinds.toml")])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.endswith("12 mistakes\n")
    assert "Traceback" not in result.stderr


def test_a_missing_file_is_a_wrong_configuration(tmp_path: Path) -> None:
    """A file that is not there is reported like any other mistake."""
    result = CliRunner().invoke(check, [str(tmp_path / "none.toml")])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "No such file or directory" in result.stderr


def test_numbers_agree_with_their_nouns() -> None:
    """One of a thing is not called many."""
    result = CliRunner().invoke(check, [str(GOLDEN / "right" / "smallest.toml")])
    assert ": 1 listener, 1 service, 2 instances, 1 route, 0 limits" in result.stdout
