"""Runs a framing oracle against the real command: ``python -m tests.conformance CORPUS ORACLE`` (`make conformance`).

The oracle is a script that plays client and only instance at once and judges what of each payload arrives:
``ORACLE [--fixhost] [--bytewise] [--out DIR] GATEWAY_PORT ORIGIN_PORT FILE …``. It writes a line of JSON a payload, with its
``id``, its ``state`` (``ok`` when a strict reader finds nothing wrong) and a ``verdict`` (``CLEAN`` when that arrived), and ends with 0 when
nothing leaked; as a module it has ``payloads(file)`` and ``with_host(bytes)``. CORPUS is a folder of payloads in its form.
Nothing of either belongs to this project.

The run fails if anything leaks, or if a legal payload is refused by a rule that docs/behaviour.md does not name.
"""

import asyncio
import importlib.util
import json
import re
import socket
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from types import ModuleType

from tests.helpers import Client, Gateway, configuration

RULES = (Path(__file__).parents[2] / "docs" / "behaviour.md").read_text(encoding="utf-8")
DETAILS = re.compile(r'details="([^"]*)"')


async def main(corpus: Path, oracle: Path) -> int:
    """Runs whole and byte by byte; the exit code."""
    files = sorted(map(str, corpus.glob("*.jsonl")))
    if not files:
        print(f"{corpus}: no *.jsonl", file=sys.stderr)
        return 2
    failed = False
    for mode in ((), ("--bytewise",)):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        # One worker and nothing but defaults: no check may reach the instance, which is the oracle itself.
        async with Gateway(configuration(f"127.0.0.1:{port}")) as gateway:
            print(f"==> {' '.join(mode) or 'whole'}", flush=True)
            failed |= await run(gateway, oracle, port, files, mode)
    return int(failed)


async def run(gateway: Gateway, oracle: Path, port: int, files: list[str], mode: tuple[str, ...]) -> bool:
    """One run of the oracle, and the rule of every legal payload that was refused; has anything failed?"""
    with tempfile.TemporaryDirectory(prefix="headgate-conformance-") as folder:
        command = [str(oracle), "--fixhost", *mode, "--out", folder, str(gateway.port), str(port), *files]
        process = await asyncio.create_subprocess_exec(sys.executable, *command)
        failed = await process.wait() != 0
        rows = [json.loads(line) for file in Path(folder).iterdir() for line in file.read_text().splitlines()]
    # A fault of a body may show when the head is with the instance already: then a part of the request has arrived.
    refused = {row["id"] for row in rows if row["state"] == "ok" and row["verdict"] != "CLEAN"}
    rules: dict[str, list[str]] = defaultdict(list)
    module = load(oracle)
    for name, raw in (payload for file in files for payload in module.payloads(file)):
        if name in refused:
            rule = await rule_for(gateway, module.with_host(raw))
            rules[rule].append(name)
            if f"`{rule}`" not in RULES:
                print(f"  {name}: refused by a rule that docs/behaviour.md does not name: {rule!r}")
                failed = True
    for rule, names in rules.items():
        print(f"  refused although legal: {rule}: {', '.join(names)}")
    return failed


async def rule_for(gateway: Gateway, raw: bytes) -> str:
    """The details of the gateway's own reply; what became of it otherwise."""
    async with Client(gateway) as client:
        await client.send(raw)
        try:
            answer = (await client.response()).fields.one("proxy-status") or "an answer of the instance"
        except (AssertionError, TimeoutError):
            answer = "no answer"
    found = DETAILS.search(answer)
    return found[1] if found else answer


def load(oracle: Path) -> ModuleType:
    """The oracle as a module, for its way to read a corpus."""
    spec = importlib.util.spec_from_file_location("oracle", oracle)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f"usage: {Path(sys.argv[0]).parent.name} CORPUS ORACLE")
    sys.exit(asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]))))
