"""``headgate check`` as people call it."""

from pathlib import Path

from click.testing import CliRunner

from gateway.cli.check import check
from gateway.config.fields import MAX_WORKERS
from gateway.config.load import load
from gateway.config.rules.room import MAX_ROWS
from gateway.config.schema import MAX_SERVICES
from gateway.state.control import Segment
from gateway.supervisor.memory import capacities

GOLDEN = Path(__file__).parent / "golden"


def test_a_right_file_is_summed_up_in_one_line() -> None:
    """The summary is on standard output, what there is to be warned of on standard error, and the exit code is 0."""
    file = GOLDEN / "right" / "every_key.toml"
    environ = {"COOKIE_SECRET": "a secret of this test"}
    result = CliRunner().invoke(check, [str(file)], env=environ)
    assert (result.exit_code, result.stderr.count("\n")) == (0, 1)
    assert result.stderr.startswith(f"warning: {file}:")
    assert result.stderr.endswith(".fault: faults are injected into requests\n")
    assert result.stdout.startswith(f"{file}: 3 listeners, 5 services, 6 instances, 12 routes, 8 limits")
    assert result.stdout.endswith(" MiB of shared memory\n")
    assert result.stdout.count("\n") == 1


def test_what_is_hardly_meant_is_a_warning(tmp_path: Path) -> None:
    """On standard error, with its place; the file is right, and summed up as ever."""
    file = tmp_path / "g.toml"
    smallest = (GOLDEN / "right" / "smallest.toml").read_text(encoding="utf-8")
    file.write_text(f'{smallest}cors = {{ origins = ["null"] }}\n', encoding="utf-8")
    result = CliRunner().invoke(check, [str(file)])
    line = smallest.count("\n") + 1
    assert (result.exit_code, result.stdout.count("\n")) == (0, 1)
    assert result.stderr.startswith(f"warning: {file}:{line}:21: routes[0].cors.origins[0]: every page")
    assert result.stderr.count("\n") == 1


def test_the_summary_has_the_size_of_the_memory(tmp_path: Path) -> None:
    """Room for more buckets is more memory."""

    def size(keys: int) -> float:
        file = tmp_path / "g.toml"
        smallest = (GOLDEN / "right" / "smallest.toml").read_text(encoding="utf-8")
        file.write_text(f"gateway = {{ workers = 2, max_limit_keys = {keys} }}\n{smallest}", encoding="utf-8")
        words = CliRunner().invoke(check, [str(file)]).stdout.split()
        return float(words[words.index("MiB") - 1])

    assert 0 < size(1_000_000) < size(100_000_000)


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


def test_the_largest_configuration_fits_in_the_largest_memory(tmp_path: Path) -> None:
    """What the bounds of the model allow, the shared memory can be made for."""
    file = tmp_path / "g.toml"
    smallest = (GOLDEN / "right" / "smallest.toml").read_text(encoding="utf-8")
    most = f"workers = {MAX_WORKERS}, max_instances = 1048576, max_limit_keys = 100000000"
    file.write_text(f"gateway = {{ {most} }}\n{smallest}", encoding="utf-8")
    config = load(file, {})
    sizes = capacities(config, MAX_WORKERS).arguments()
    # capacities() gives each table the next power of two above twice its need.
    sizes |= {"services": 1 << (2 * MAX_SERVICES).bit_length(), "series": 1 << (2 * MAX_ROWS).bit_length()}
    sizes |= {"limits": sizes["series"]}
    assert Segment.size_for(**sizes) > 0


def test_numbers_agree_with_their_nouns() -> None:
    """One of a thing is not called many."""
    result = CliRunner().invoke(check, [str(GOLDEN / "right" / "smallest.toml")])
    assert ": 1 listener, 1 service, 2 instances, 1 route, 0 limits" in result.stdout
