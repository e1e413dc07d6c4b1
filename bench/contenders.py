"""Starting the contenders: one process each, on loopback."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from bench import build
from bench.before import Earlier
from bench.plan import BEFORE
from bench.processes import free_port, serving
from bench.site import Site

# Connections of the peers' pools: what each is fastest with here. Of the naive ones: what their library makes by
# default.
CONNECTIONS: Final = {"go": 64, "naive": 10, "naive-uvloop": 10, "express": 16, "fastapi": 16}

_PEERS: Final[Mapping[str, Callable[[], list[str]]]] = {
    "go": build.go,
    "naive": build.naive,
    "naive-uvloop": build.naive,
    "express": build.express,
    "fastapi": build.fastapi,
}
_READSTATE: Final = [sys.executable, "-m", "readstate"]


@dataclass(frozen=True)
class Contender:
    """A server that runs."""

    site: Site
    port: int
    processes: tuple[int, ...]
    """Of all that serves a call, but for the database."""
    grpc_port: int
    """Of a gateway its server's, else the same."""


@contextmanager
def started(names: set[str], site: Site, before: Earlier | None) -> Iterator[dict[str, Contender]]:
    """Start the servers among `names` and what they need."""
    found: dict[str, Contender] = {}
    with ExitStack() as stack:
        for engine in "native", "grpcio":
            if engine in names or (engine == "native" and "gateway" in names):
                found[engine] = stack.enter_context(readstate(engine, site))
        for name in _PEERS.keys() & names:
            found[name] = stack.enter_context(_peer(name, site))
        if "gateway" in names:
            found["gateway"] = stack.enter_context(gateway(found["native"]))
        if before is not None and names & set(BEFORE):
            source = {"PYTHONPATH": str(before.source)}
            server = stack.enter_context(readstate("native", before.site, name="before", ours=source))
            front = stack.enter_context(gateway(server, name="before-gateway", ours=source))
            found |= {"before": server, "before-gateway": front}
        if "pgbench" in names:
            found["pgbench"] = Contender(site, 0, (), 0)
        yield found


@contextmanager
def readstate(engine: str, site: Site, *, name: str | None = None, ours: Mapping[str, str] = {}) -> Iterator[Contender]:
    """Our server on one of its engines."""
    port = free_port()
    settings = {
        "READSTATE_ENGINE": engine,
        "READSTATE_LISTEN": f"127.0.0.1:{port}",
        "READSTATE_ADMIN_LISTEN": "127.0.0.1:0",
    }
    with serving(name or engine, [*_READSTATE, "serve"], port, {**site.for_readstate(), **settings, **ours}) as process:
        yield Contender(site, port, (process,), port)


@contextmanager
def gateway(upstream: Contender, *, name: str = "gateway", ours: Mapping[str, str] = {}) -> Iterator[Contender]:
    """Our gateway, in front of one of our servers."""
    port = free_port()
    settings = {
        "READSTATE_UPSTREAM": f"127.0.0.1:{upstream.port}",
        "READSTATE_GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "READSTATE_GATEWAY_ADMIN_LISTEN": "127.0.0.1:0",
        "READSTATE_LOG_LEVEL": "warning",
    }
    with serving(name, [*_READSTATE, "gateway"], port, {**settings, **ours}) as process:
        yield Contender(upstream.site, port, (process, *upstream.processes), upstream.port)


@contextmanager
def _peer(name: str, site: Site) -> Iterator[Contender]:
    port = free_port()
    ours = site.for_peer(port, CONNECTIONS[name])
    if name == "naive-uvloop":
        ours |= {"BENCH_UVLOOP": "1"}
    with serving(name, _PEERS[name](), port, ours) as process:
        yield Contender(site, port, (process,), port)
