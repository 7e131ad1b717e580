"""The load of most workloads: wrk with one thread, its command line and script, and what its report says."""

import re
import subprocess
from pathlib import Path

from bench.peers.job import CLIENTS_FIELD, Job, Setup, Workload
from bench.peers.load import LoadError, LoadReport

_TOTALS = re.compile(r"^\s*(\d+) requests in ([\d.]+)(us|ms|s|m|h),", re.MULTILINE)
_SOCKET_ERRORS = re.compile(r"^\s*Socket errors: (.*)$", re.MULTILINE)
_STATUS_ERRORS = re.compile(r"^\s*Non-2xx or 3xx responses: (\d+)$", re.MULTILINE)
_SECONDS_PER = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_GRACE_SECONDS = 30.0
"""How much longer than asked for wrk may run before it is given up."""

_BODY = """\
wrk.method = "{method}"
wrk.body = string.rep("x", {length})
"""

# The requests are made once, before the load begins; sending one is a look into a table.
_PATHS = """\
local requests, turn = {{}}, 0
init = function()
   for number = 1, {paths} do
      requests[number] = wrk.format("{method}", string.format("{path}", number - 1))
   end
end
request = function()
   turn = turn % {paths} + 1
   return requests[turn]
end
"""

# Clients in turn, from the one that the command line names: only the address is made for each request.
_CLIENTS = """\
local turn, before, after
init = function(arguments)
   turn = tonumber(arguments[1])
   wrk.headers["{field}"] = "@"
   before, after = wrk.format("{method}"):match("^(.-)@(.*)$")
end
request = function()
   local client = turn % {clients}
   turn = turn + 1
   local high, middle, low = math.floor(client / 65536), math.floor(client / 256) % 256, client % 256
   return before .. string.format("10.%d.%d.%d", high, middle, low) .. after
end
"""


def wrk_command(
    wrk: str, workload: Workload, port: int, seconds: int, script: Path | None, *, first_client: int = 0
) -> list[str]:
    """The command line; wrk takes whole seconds only."""
    fields = [argument for name, value in workload.fields for argument in ("-H", f"{name}: {value}")]
    scripted = [] if script is None else ["-s", str(script)]
    size = ["-t", "1", "-c", str(workload.connections), "-d", f"{seconds}s"]
    url = f"http://127.0.0.1:{port}{workload.path()}"
    return [wrk, *size, *scripted, *fields, url, *([str(first_client)] if workload.behind_proxy else [])]


def wrk_script(workload: Workload, setup: Setup) -> str:
    """What of the requests the command line cannot say, in Lua; empty when there is nothing."""
    script = ""
    if workload.request_bytes:
        script += _BODY.format(method=workload.method, length=workload.request_bytes)
    if workload.paths > 1:
        numbered = workload.path(0).replace(f"{0:05}", "%05d")  # as Lua formats it
        script += _PATHS.format(method=workload.method, paths=workload.paths, path=numbered)
    if workload.behind_proxy:
        script += _CLIENTS.format(method=workload.method, field=CLIENTS_FIELD, clients=setup.clients)
    return script


def parse_report(output: str) -> LoadReport:
    """Reads wrk's report. Raises LoadError when it mentions an error, no request at all, or is no report."""
    for pattern in (_SOCKET_ERRORS, _STATUS_ERRORS):
        error = pattern.search(output)
        if error:
            raise LoadError(f"wrk saw errors: {error.group(0).strip()}")
    totals = _TOTALS.search(output)
    if totals is None:
        raise LoadError(f"this is not a report of wrk: {output.strip()!r}")
    requests, amount, unit = totals.groups()
    if int(requests) == 0:
        raise LoadError("wrk got no answer to any request")
    return LoadReport(requests=int(requests), seconds=float(amount) * _SECONDS_PER[unit])


def run(wrk: str, job: Job, port: int, seconds: int, *, folder: Path, first_client: int = 0) -> LoadReport:
    """Loads the port and waits for the report; wrk runs on the caller's core, its script is put into the folder."""
    script = _written(wrk_script(job.workload, job.setup), folder)
    command = wrk_command(wrk, job.workload, port, seconds, script, first_client=first_client)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds + _GRACE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as late:
        raise LoadError(f"wrk did not end {_GRACE_SECONDS:.0f} s after its time") from late
    if done.returncode != 0:
        raise LoadError(f"wrk failed with code {done.returncode}: {done.stderr.strip()}")
    return parse_report(done.stdout)


def _written(script: str, folder: Path) -> Path | None:
    if not script:
        return None
    path = folder / "wrk.lua"
    path.write_text(script)
    return path
