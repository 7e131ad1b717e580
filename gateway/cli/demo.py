"""``headgate demo``: real sample services with the gateway in front of them, until Ctrl-C."""

import asyncio
import contextlib
import importlib.util
import signal
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

import click

from gateway.demo.processes import DemoError, Gateway, Instance

FAILED = 1
NEEDED = ("flask", "waitress")
INSTANCES = {  # address in quickstart.toml → the sample instance that stands there
    "127.0.0.1:9001": ("hello", 1),
    "127.0.0.1:9002": ("hello", 2),
    "127.0.0.1:9003": ("hello", 3),
    "127.0.0.1:9010": ("echo", 1),
}
OWN_ADDRESSES = ("127.0.0.1:8080", "127.0.0.1:9901")
ANY_PORT = "127.0.0.1:0"

TRY = """
Try in another terminal:

  curl {gateway}/                     one of three Flask instances answers
  curl -d 'any text' {gateway}/echo   an ASGI application says what it got

  Kill an instance; no request fails, and the log shows how it is taken out:
    kill -9 {victim.pid}
  Start it again; it comes back:
    {victim.command}

  Exceed the limit of 2 requests a second; the sixth gets 429:
    for i in 1 2 3 4 5 6 7 8; do curl -s -o /dev/null -w '%{{http_code}}\\n' {gateway}/limited; done

  See what was counted:
    curl -s {admin}/metrics

Ctrl-C ends everything.
"""


@click.command()
@click.pass_context
def demo(ctx: click.Context) -> None:
    """Run the gateway in front of sample services, until Ctrl-C.

    Two services as examples/quickstart.toml describes them, on free ports: three instances of a Flask application and one
    ASGI application.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        click.echo(
            f"headgate: the demo needs {' and '.join(missing)}: pip install 'headgate[demo]'", err=True
        )
        ctx.exit(FAILED)
    try:
        asyncio.run(_until_stopped())
    except DemoError as error:
        click.echo(f"headgate: {error}", err=True)
        ctx.exit(FAILED)


async def _until_stopped() -> None:
    """Runs the demo; SIGINT and SIGTERM end it in order, also when the demo was started with SIGINT ignored."""
    task = asyncio.ensure_future(_run())
    stopping = asyncio.Event()

    def stop() -> None:
        if not stopping.is_set():  # a second signal must not break off the end that the first one began
            stopping.set()
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _run() -> None:
    """Starts everything, tells about it, and waits; whatever happens, nothing is left behind."""
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headgate-demo-")))
        click.echo("==> starting three instances of a Flask application and an ASGI application")
        instances = {address: Instance(*which) for address, which in INSTANCES.items()}
        for instance in instances.values():
            stack.push_async_callback(instance.stop)
        await asyncio.gather(*(instance.serve() for instance in instances.values()))
        file = folder / "quickstart.toml"
        file.write_text(_configuration(instances))
        click.echo("==> starting the gateway in front of them")
        gateway = Gateway(file)
        stack.push_async_callback(gateway.stop)
        _tell(await gateway.serve(), list(instances.values()))
        watchers = [asyncio.ensure_future(_watch(instance)) for instance in instances.values()]
        stack.callback(lambda: [watcher.cancel() for watcher in watchers])
        raise DemoError(f"the gateway {await gateway.ended()}")


def _configuration(instances: dict[str, Instance]) -> str:
    """The quickstart with the addresses of this demo in place of its own."""
    text = resources.files("gateway.demo").joinpath("quickstart.toml").read_text()
    places = {address: instance.address for address, instance in instances.items()}
    for address, place in {**places, **dict.fromkeys(OWN_ADDRESSES, ANY_PORT)}.items():
        assert text.count(f'"{address}"') == 1, f"{address} is not once in quickstart.toml"
        text = text.replace(f'"{address}"', f'"{place}"')
    return text


def _tell(ready: dict[str, Any], instances: list[Instance]) -> None:
    """Prints the lines that people and scripts look for, and what to do next."""
    gateway, admin = ready["listen"][0], ready["admin"]
    click.echo(f"\ngateway  {gateway}\nadmin  {admin}")
    for instance in instances:
        click.echo(f"instance {instance.name}  http://{instance.address}  pid {instance.pid}")
    click.echo(TRY.format(gateway=gateway, admin=admin, victim=instances[0]))


async def _watch(instance: Instance) -> None:
    """Says when an instance has ended, and how to start it again."""
    how = await instance.ended()
    click.echo(f"instance {instance.name} {how}; start it again with:\n    {instance.command}")
