"""Starting the contenders: one process each, on loopback."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Final

from bench import build
from bench.processes import free_port, serving
from bench.site import Site

# Connections of the peers' pools: what each is fastest with here. Of the naive one: what its library makes by default.
CONNECTIONS: Final = {"go": 64, "naive": 10, "express": 16, "fastapi": 16}

_PEERS: Final[Mapping[str, Callable[[], list[str]]]] = {
    "go": build.go,
    "naive": build.naive,
    "express": build.express,
    "fastapi": build.fastapi,
}
_READSTATE: Final = [sys.executable, "-m", "readstate"]


@contextmanager
def started(names: set[str], site: Site) -> Iterator[dict[str, int]]:
    """Start the servers among `names` and what they need; yields the port of each."""
    ports: dict[str, int] = {}
    with ExitStack() as stack:
        for engine in "native", "grpcio":
            if engine in names or (engine == "native" and "gateway" in names):
                ports[engine] = stack.enter_context(readstate(engine, site))
        for name in _PEERS.keys() & names:
            ports[name] = stack.enter_context(_peer(name, site))
        if "gateway" in names:
            ports["gateway"] = stack.enter_context(_gateway(ports["native"]))
        yield ports


@contextmanager
def readstate(engine: str, site: Site, *, name: str | None = None) -> Iterator[int]:
    """Our server on one of its engines; yields its port."""
    port = free_port()
    settings = {
        "READSTATE_ENGINE": engine,
        "READSTATE_LISTEN": f"127.0.0.1:{port}",
        "READSTATE_ADMIN_LISTEN": "127.0.0.1:0",
    }
    with serving(name or engine, [*_READSTATE, "serve"], port, site.for_readstate() | settings):
        yield port


@contextmanager
def _gateway(upstream: int) -> Iterator[int]:
    port = free_port()
    settings = {
        "READSTATE_UPSTREAM": f"127.0.0.1:{upstream}",
        "READSTATE_GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "READSTATE_GATEWAY_ADMIN_LISTEN": "127.0.0.1:0",
        "READSTATE_LOG_LEVEL": "warning",
    }
    with serving("gateway", [*_READSTATE, "gateway"], port, settings):
        yield port


@contextmanager
def _peer(name: str, site: Site) -> Iterator[int]:
    port = free_port()
    with serving(name, _PEERS[name](), port, site.for_peer(port, CONNECTIONS[name])):
        yield port
