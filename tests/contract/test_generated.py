"""The generated code that is checked in is what `make proto` makes from the protos."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path("readstate", "v1")
DESCRIPTORS = Path("deploy", "envoy", "readstate.binpb")


def _modules(source: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (source / PACKAGE).glob("*.py*") if path.is_file()}


def test_the_checked_in_code_is_what_the_protos_generate(tmp_path: Path) -> None:
    # A process of its own: protoc keeps global state, and writes its errors past Python's standard error.
    run = subprocess.run(
        [sys.executable, ROOT / "protos" / "generate.py", tmp_path], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr

    fresh, checked_in = _modules(tmp_path / "src"), _modules(ROOT / "src")

    assert checked_in.keys() == fresh.keys(), "run `make proto`"
    differing = [name for name in fresh if fresh[name] != checked_in[name]]
    assert differing == [], "run `make proto`"
    assert (ROOT / DESCRIPTORS).read_bytes() == (tmp_path / DESCRIPTORS).read_bytes(), "run `make proto`"


def test_every_proto_file_has_its_modules() -> None:
    names = [path.stem for path in (ROOT / "protos" / PACKAGE).glob("*.proto")]

    assert names
    for name in names:
        for suffix in ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py"):
            assert (ROOT / "src" / PACKAGE / (name + suffix)).is_file()
