"""A client that public generators make of the protos, annotations included."""

import shutil
import sys
from pathlib import Path

from readstate.client import ReadState
from readstate.model import MarkResult
from readstate.server.app import RunningServer
from tests.generated.conftest import PROGRAMS, ROOT, output
from tests.tools import tool

PROTOS = ROOT / "protos"


async def test_the_go_client_marks(server: RunningServer, token: str, ada: ReadState, tmp_path: Path) -> None:
    shutil.copytree(PROGRAMS / "go", tmp_path, dirs_exist_ok=True)
    plugins = [f"--plugin={tool(name, required_by='GO')}" for name in ("protoc-gen-go", "protoc-gen-go-grpc")]
    outputs = [
        f"--{kind}{option}" for kind in ("go", "go-grpc") for option in ("_out=.", "_opt=module=readstate.dev/gen")
    ]
    files = sorted(str(path.relative_to(PROTOS)) for path in (PROTOS / "readstate").rglob("*.proto"))
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={PROTOS}"]
    await output(*protoc, *plugins, *outputs, *files, folder=tmp_path)
    address = f"127.0.0.1:{server.port}"
    go = tool("go", required_by="GO")
    printed = await output(go, "run", "-mod=readonly", ".", address, token, folder=tmp_path)
    assert printed.splitlines() == ["2 2", "INVALID_EVENT_IDS"]
    assert await ada.mark_read([1, 2]) == MarkResult(changed=0, matched=2)
