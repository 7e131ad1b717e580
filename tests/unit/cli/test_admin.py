"""Where commands look for the admin API, and what they make of what answers there."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest

from gateway.cli.admin import Admin, AdminError, find


def written(folder: Path, text: str) -> Path:
    """A configuration file."""
    file = folder / "gateway.toml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("[log]", "http://127.0.0.1:9901"),
        ('[gateway]\nadmin = "192.0.2.1:80"', "http://192.0.2.1:80"),
        ('[gateway]\nadmin = "[::1]:81"', "http://[::1]:81"),
        ('[gateway]\nadmin = "0.0.0.0:82"', "http://127.0.0.1:82"),
        ('[gateway]\nadmin = "[::]:83"', "http://[::1]:83"),
        ('[gateway]\nadmin = "${env:ADMIN}"', "http://127.0.0.1:84"),
        ('[gateway]\nworkers = "many"\nadmin = "127.0.0.1:85"\n[nonsense]', "http://127.0.0.1:85"),
    ],
)
def test_the_address_that_a_file_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, url: str
) -> None:
    """Whatever else is wrong with it; an address that means all of this machine is asked here."""
    monkeypatch.setenv("ADMIN", "127.0.0.1:84")
    assert find(written(tmp_path, f"{text}\n"), None).url == url


@pytest.mark.parametrize(
    ("admin", "url"),
    [
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("http://[::1]:2/", "http://[::1]:2"),
        ("gateway.internal:3", "http://gateway.internal:3"),
    ],
)
def test_the_address_of_the_option(admin: str, url: str) -> None:
    """No file is read then."""
    assert find(Path("/nowhere"), admin).url == url


@pytest.mark.parametrize(
    "admin", ["", "127.0.0.1", "https://127.0.0.1:1", "http://127.0.0.1:1/live", "http://h:99999"]
)
def test_what_is_no_address(admin: str) -> None:
    """Wrong usage."""
    with pytest.raises(click.BadParameter, match="such as http"):
        find(Path("/nowhere"), admin)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[gateway]\nadmin = "127.0.0.1:0"', "leaves the admin port to the system"),
        ('[gateway]\nadmin = "${env:NOT_SET_HERE}"', "cannot be read here"),
        ("[gateway]\nadmin = 7", "cannot be read here"),
    ],
)
def test_a_file_that_does_not_tell(tmp_path: Path, text: str, reason: str) -> None:
    """Wrong usage, with the way out."""
    with pytest.raises(click.UsageError, match=f"{reason}.*--admin"):
        find(written(tmp_path, text), None)


def test_a_file_that_is_no_toml(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its mistakes are told, and the exit code is that of a wrong configuration."""
    with pytest.raises(click.exceptions.Exit) as end:
        find(written(tmp_path, "[gateway\n"), None)
    assert end.value.exit_code == 2
    assert "gateway.toml:1:9: not TOML" in capsys.readouterr().err


@contextmanager
def answering(answer: bytes) -> Iterator[Admin]:
    """Something that says these bytes to whoever connects first."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield Admin("127.0.0.1", server.getsockname()[1])
        thread.join()


@pytest.mark.parametrize(
    "answer",
    [b"", b"220 smtp ready\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"],
    ids=["silence", "another protocol", "text", "a list"],
)  # fmt: skip
def test_something_else_answers(answer: bytes) -> None:
    """One line says so."""
    with answering(answer) as admin, pytest.raises(AdminError, match=f"{admin.port}"):
        admin.get("/v1/status")


def test_nobody_answers() -> None:
    """The reason is the system's."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        admin = Admin("127.0.0.1", nobody.getsockname()[1])
        with pytest.raises(AdminError, match=f"no gateway answers at {admin.url}: connection refused"):
            admin.get("/v1/status")


def test_an_answer() -> None:
    """Status and document, whatever the status."""
    with answering(b'HTTP/1.1 409 Conflict\r\nContent-Length: 7\r\n\r\n{"a":1}') as admin:
        answer = admin.post("/v1/reload", timeout_s=5.0)
    assert (answer.status, answer.document) == (409, {"a": 1})
