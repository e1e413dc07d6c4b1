"""Which room may import which: the table of the architecture, kept true.

A room is a module of `readstate`, or one of its packages as a whole.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "readstate"
GRPC = {"grpc", "grpc_health", "grpc_reflection", "grpc_status", "google"}

# Beside the standard library, which every room may import. `readstate.x` is a room of ours.
MAY_IMPORT: dict[str, set[str]] = {
    "model": set(),
    "errors": set(),
    "deadline": set(),
    "config": {"pydantic", "pydantic_settings", "readstate.errors"},
    "auth": {"jwt", "cachetools", *(f"readstate.{room}" for room in ("config", "errors", "model", "signing_keys"))},
    "signing_keys": {"aiohttp", "jwt", "cryptography", "structlog", "readstate.config", "readstate.errors"},
    "directory": {"cachetools", "readstate.errors", "readstate.model", "readstate.store"},
    "telemetry": {"structlog", "prometheus_client"},
    "store": {"asyncpg", *(f"readstate.{room}" for room in ("config", "deadline", "errors", "model", "telemetry"))},
    "rpc": {
        *GRPC,
        "structlog",
        "pygrpc_native",
        "opentelemetry",
        *(f"readstate.{room}" for room in ("auth", "config", "deadline", "directory", "errors", "model", "store")),
        "readstate.error_details",
        "readstate.telemetry",
        "readstate.v1",
    },
    "v1": GRPC,
    "error_details": GRPC,
    "client": {*GRPC, "readstate.error_details", "readstate.errors", "readstate.model", "readstate.v1"},
    "sweeper": {"structlog", "readstate.errors"},
    "readiness": {"structlog", "readstate.deadline", "readstate.errors"},
    "http_protocol": {"httptools", "uvicorn"},
    "http_listener": {"starlette", "uvicorn", "readstate.errors", "readstate.http_protocol"},
    "admin": {"starlette", "prometheus_client", "readstate.telemetry"},
    "gateway": {
        *GRPC,
        "starlette",
        "structlog",
        *(f"readstate.{room}" for room in ("admin", "config", "error_details", "http_listener", "telemetry", "v1")),
    },
    "check": {*GRPC, "cryptography", "readstate.config", "readstate.errors"},
    "embedded": {"psutil", "readstate.errors"},
    "signals": {"uvloop"},
    "garbage": set(),
    "dev_state": {"readstate.config", "readstate.errors"},
}
SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH|ALTER|CREATE|DROP)\s+\S")
COMPOSED_BY = {"cli", "dev", "demo", "demo_notifications", "__main__"}
"""Rooms that only compose: they may import every room of ours, and no library but click."""


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """What a file imports: the top name of a library, or `readstate.` and the room. Functions included."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, f"{path}: a relative import"
            names = [node.module]
            if node.module == "readstate":
                names = [f"readstate.{alias.name}" for alias in node.names]
        for name in names:
            top, _, rest = name.partition(".")
            if top == "readstate":
                yield f"readstate.{rest.partition('.')[0]}"
            elif top not in sys.stdlib_module_names:
                yield top


FILES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


def test_every_room_has_a_row() -> None:
    assert {room_of(path) for path in FILES} == {*MAY_IMPORT, *COMPOSED_BY, "app"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_imports_what_its_room_may(path: Path) -> None:
    room, found = room_of(path), set(imports(path))
    if room in COMPOSED_BY:
        assert {name for name in found if not name.startswith("readstate.")} <= {"click", "uvloop"}
    elif room != "app":
        assert found - {f"readstate.{room}"} <= MAY_IMPORT[room]


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_no_room_may_import_what_it_does_not(room: str) -> None:
    found = {name for path in FILES if room_of(path) == room for name in imports(path)} - {f"readstate.{room}"}
    assert MAY_IMPORT[room] - GRPC <= found


def test_only_what_composes_imports_the_composition_root() -> None:
    composing = {room_of(path) for path in FILES if "readstate.app" in imports(path)}
    assert composing <= COMPOSED_BY


def test_only_the_settings_read_the_environment() -> None:
    reading = {
        room_of(path)
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    }
    # The embedded PostgreSQL hands its surroundings on, cleaned; the command quiets grpc's own log.
    assert reading <= {"config", "embedded", "cli"}


def test_sql_is_text_in_the_store() -> None:
    for path in FILES:
        if room_of(path) == "store":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not SQL.match(node.value), path
