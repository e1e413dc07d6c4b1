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
    "errors": {"google"},
    "deadline": set(),
    "changes": set(),
    "channels": set(),
    "sizing": set(),
    "wake_ups": set(),
    "config": {"pydantic", "pydantic_settings", "readstate.errors"},
    "identity": {
        *("aiohttp", "cachetools", "cryptography", "jwt", "structlog"),
        *(f"readstate.{room}" for room in ("config", "errors", "model", "store")),
    },
    "telemetry": {"opentelemetry", "prometheus_client", "structlog", "readstate.errors"},
    "store": {
        *("asyncpg", "structlog"),
        *(f"readstate.{room}" for room in ("config", "deadline", "errors", "model", "telemetry")),
    },
    "rpc": {
        *GRPC,
        *("structlog", "pygrpc_native"),
        *(f"readstate.{room}" for room in ("changes", "config", "deadline", "errors", "identity", "model", "store")),
        *("readstate.telemetry", "readstate.v1", "readstate.wake_ups"),
    },
    "v1": GRPC,
    "client": {
        *GRPC,
        "opentelemetry",
        "readstate.channels",
        "readstate.deadline",
        "readstate.errors",
        "readstate.model",
        "readstate.v1",
    },
    "http": {
        *("httptools", "prometheus_client", "starlette", "uvicorn"),
        *("readstate.errors", "readstate.telemetry"),
    },
    "gateway": {
        *GRPC,
        *("starlette", "structlog"),
        *(f"readstate.{room}" for room in ("changes", "channels", "config", "deadline", "errors", "http")),
        *("readstate.telemetry", "readstate.v1", "readstate.wake_ups"),
    },
    "check": {*GRPC, "cryptography", "readstate.config", "readstate.errors"},
    "server": {
        *GRPC,
        *("structlog", "uvloop"),
        *(f"readstate.{room}" for room in ("config", "deadline", "errors", "http", "identity", "model", "rpc")),
        *("readstate.store", "readstate.telemetry", "readstate.v1"),
    },
    "dev": {
        *("click", "psutil", "starlette", "structlog"),
        *(f"readstate.{room}" for room in ("check", "config", "errors", "gateway", "identity", "model", "server")),
        *("readstate.store", "readstate.telemetry", "readstate.v1"),
    },
    "cli": {
        "click",
        *(f"readstate.{room}" for room in ("check", "config", "dev", "errors", "gateway", "identity", "server")),
        *("readstate.sizing", "readstate.store", "readstate.telemetry"),
    },
    "__main__": {"readstate.cli"},
}
SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH|ALTER|CREATE|DROP)\s+\S")
COMPOSITION_ROOTS = {"readstate.server.app": {"cli", "dev"}, "readstate.gateway.app": {"cli", "dev"}}
"""Who may import them. Tests may as well."""


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
    assert {room_of(path) for path in FILES} == set(MAY_IMPORT)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_imports_what_its_room_may(path: Path) -> None:
    room = room_of(path)
    assert set(imports(path)) - {f"readstate.{room}"} <= MAY_IMPORT[room]


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_no_room_may_import_what_it_does_not(room: str) -> None:
    found = {name for path in FILES if room_of(path) == room for name in imports(path)} - {f"readstate.{room}"}
    assert MAY_IMPORT[room] - GRPC <= found


@pytest.mark.parametrize("root", COMPOSITION_ROOTS)
def test_only_commands_import_a_composition_root(root: str) -> None:
    package, _, module = root.rpartition(".")
    forms = (f"from {root} import", f"from {package} import {module}")
    assert {room_of(path) for path in FILES if any(form in path.read_text() for form in forms)} <= COMPOSITION_ROOTS[
        root
    ]


def test_only_the_settings_read_the_environment() -> None:
    reading = {
        room_of(path)
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    }
    # The embedded PostgreSQL hands its environment on, cleaned. The command quiets grpc's own log.
    assert reading <= {"config", "dev", "cli"}


def test_sql_is_text_in_the_store() -> None:
    for path in FILES:
        if room_of(path) == "store":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not SQL.match(node.value), path
