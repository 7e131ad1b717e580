"""Files of weighted requests, and every mistake in them with its place."""

from pathlib import Path

import pytest

from gateway.benchmark.load import LoadError, Request
from gateway.benchmark.requests_file import read_requests


def test_a_mix(tmp_path: Path) -> None:
    """Everything a request can have."""
    (tmp_path / "body.bin").write_bytes(b"\x00\x01")
    file = tmp_path / "mix.toml"
    file.write_text(
        '[[requests]]\npath = "/a"\nweight = 9\nheaders = { X-A = "1" }\n'
        '[[requests]]\nname = "up"\nmethod = "put"\npath = "/b"\nbody_file = "body.bin"\n'
        '[[requests]]\nbody_size = "1KiB"\n'
    )
    assert read_requests(file) == (
        Request("GET /a", "GET", "/a", (("X-A", "1"),), b"", 9),
        Request("up", "PUT", "/b", (), b"\x00\x01"),
        Request("POST /", "POST", "/", (), b"x" * 1024),
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "expected"),
        ("[[request]]\n", "expected [[requests]]"),
        ("[[requests]]\npaht = 1\n", 'requests[0]: unknown key \'paht\' did you mean "path"?'),
        ('[[requests]]\nweight = "1"\n', "requests[0].weight: expected a int"),
        ("[[requests]]\nweight = true\n", "requests[0].weight"),
        ("[[requests]]\nweight = 0\n", "a weight is at least 1"),
        ('[[requests]]\nbody = "a"\nbody_size = "1B"\n', "only one of body and body_size"),
        ('[[requests]]\nbody_size = "1000GB"\n', "at most"),
        ('[[requests]]\nbody_size = "1"\n', "requests[0].body_size"),
        ('[[requests]]\nbody_file = "none"\n', "no such file"),
        ('[[requests]]\npath = "a"\n', "must begin with /"),
        ("[[requests]]\n[[requests]]\n", "the same name"),
        ("requests = 1\n", "expected one or more"),
        ("= 1", "not TOML"),
    ],
)  # fmt: skip
def test_mistakes(tmp_path: Path, content: str, said: str) -> None:
    """Each is told with its place."""
    file = tmp_path / "mix.toml"
    file.write_text(content)
    with pytest.raises(LoadError) as caught:
        read_requests(file)
    assert said in str(caught.value)
