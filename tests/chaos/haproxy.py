"""HAProxy in front of servers: calls go to those that say they are ready, in turn, and compressed ones to none."""

import subprocess
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tests.acceptance.processes import free_port
from tests.chaos.listening import listening
from tests.chaos.server import Server
from tests.tools import tool

CONFIGURATION: Final = """
global
    stats socket {folder}/admin.sock
defaults
    mode http
    timeout connect 1s
    timeout client 60s
    timeout server 60s
    option redispatch 1
    retry-on conn-failure
frontend grpc
    bind 127.0.0.1:{port} proto h2
    http-request return status 200 content-type application/grpc hdr grpc-status 12 if {{ req.hdr(grpc-encoding) gzip }}
    default_backend servers
backend servers
    balance roundrobin
    option httpchk
    http-check send meth GET uri /readyz ver HTTP/1.1 hdr host readstate
{servers}
"""

# Not in a line of defaults, which does not hand `check-proto` on.
SERVER: Final = (
    "    server s{port} 127.0.0.1:{port} proto h2 check port {admin_port} check-proto h1 inter 100ms fall 1 rise 1"
)


@asynccontextmanager
async def balancing(servers: Sequence[Server]) -> AsyncIterator[int]:
    """The port on which it listens, from when it takes connections."""
    program, port = tool("haproxy", "/usr/sbin/haproxy", required_by="HAPROXY"), free_port()
    lines = [SERVER.format(port=server.port, admin_port=server.admin_port) for server in servers]
    with tempfile.TemporaryDirectory(prefix="readstate-haproxy-") as folder:
        file = Path(folder) / "haproxy.cfg"
        file.write_text(CONFIGURATION.format(folder=folder, port=port, servers="\n".join(lines)))
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen([program, "-db", "-f", str(file)], stdout=log, stderr=log)  # noqa: ASYNC220
        try:
            await listening(port)
            yield port
        finally:
            process.terminate()
            process.wait(10)
