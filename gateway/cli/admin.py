"""How commands find the admin API of a running gateway, and ask it."""

import http.client
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click
import orjson

from gateway.config.draft import Part
from gateway.config.interpolate import interpolate, read_file
from gateway.config.schema import Gateway
from gateway.config.tables import read, tables
from gateway.errors import ConfigErrors
from gateway.model import ListenAddress, join_host_port

FAILED = 1
WRONG_USAGE = 2
MAX_ANSWER_BYTES = 256 * 1024 * 1024

_THIS_MACHINE = {"0.0.0.0": "127.0.0.1", "::": "::1"}

Command = TypeVar("Command", bound=Callable[..., Any])


class AdminError(click.ClickException):
    """No gateway gave an answer that can be used; ends the command with exit code 1."""

    exit_code = FAILED

    def show(self, file: Any = None) -> None:
        """One line, as every message of ours."""
        click.echo(f"headgate: {self.message}", file=file, err=True)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway said."""

    status: int
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Admin:
    """The admin API of one gateway."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{join_host_port(self.host, self.port)}"

    def get(self, path: str, *, timeout_s: float = 10.0) -> Answer:
        """Asks for a document. Raises AdminError."""
        return self._ask("GET", path, None, timeout_s)

    def post(self, path: str, *, timeout_s: float) -> Answer:
        """Gives a command. Raises AdminError."""
        return self._ask("POST", path, b"{}", timeout_s)

    def patch(self, path: str, patch: Mapping[str, Any], *, agent: str, timeout_s: float) -> Answer:
        """Changes a document by a JSON Merge Patch; ``agent`` says who does. Raises AdminError."""
        return self._ask("PATCH", path, orjson.dumps(patch), timeout_s, {"User-Agent": agent})

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None,
        timeout_s: float,
        more: Mapping[str, str] | None = None,
    ) -> Answer:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout_s)
        fields = {**(more or {}), **({"Content-Type": "application/json"} if body is not None else {})}
        try:
            connection.request(method, path, body, fields)
            response = connection.getresponse()
            document = orjson.loads(response.read(MAX_ANSWER_BYTES))
        except TimeoutError:
            raise AdminError(f"the gateway at {self.url} has not answered in {timeout_s:.0f} s") from None
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise AdminError(f"no gateway answers at {self.url}: {reason}") from None
        except (http.client.HTTPException, orjson.JSONDecodeError):
            raise AdminError(f"what answers at {self.url} is no gateway's admin API") from None
        finally:
            connection.close()
        if not isinstance(document, dict):
            raise AdminError(f"what answers at {self.url} is no gateway's admin API")
        return Answer(response.status, document)


def of_a_running_gateway(command: Command) -> Command:
    """Gives a command the argument and the option that say which gateway is meant; ``find`` takes both."""
    option = click.option(
        "--admin", metavar="URL", help="Address of the admin API, instead of the one that FILE names."
    )
    argument = click.argument("file", default="gateway.toml", type=click.Path(path_type=Path))
    return argument(option(command))


def find(file: Path, admin: str | None) -> Admin:
    """The admin API at a URL, or of the gateway that serves a file. Ends the command with exit code 2 if neither tells."""
    if admin is not None:
        return _at(admin)
    address = _configured(file)
    if address.port == 0:
        raise click.UsageError(f"{file} leaves the admin port to the system: name the address with --admin")
    return Admin(_THIS_MACHINE.get(address.host, address.host), address.port)


def _at(url: str) -> Admin:
    parts = urlsplit(url if "//" in url else f"//{url}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if parts.scheme not in ("", "http") or not host or not port or parts.path.strip("/"):
        raise click.BadParameter("expected an address, such as http://127.0.0.1:9901", param_hint="--admin")
    return Admin(host, port)


def _configured(file: Path) -> ListenAddress:
    """The admin address in a file, whatever is wrong with the rest of it: the gateway is to judge that."""
    try:
        table = tables(read(file), str(file)).get("gateway", {})
    except ConfigErrors as error:
        click.echo(str(error), err=True)
        raise click.exceptions.Exit(WRONG_USAGE) from None
    admin = {"admin": table["admin"]} if isinstance(table, dict) and "admin" in table else {}
    resolved, _ = interpolate(admin, os.environ, read_file)
    part = Part(Gateway, resolved, ("gateway",))
    if not part.has("admin"):
        raise click.UsageError(f"gateway.admin of {file} cannot be read here: name the address with --admin")
    address: ListenAddress = part["admin"]
    return address
