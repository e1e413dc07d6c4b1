"""Clients that public generators make of openapi.yaml: they compile, mark an event, and understand the answers."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from readstate.client import ReadState
from readstate.model import MarkResult
from tests.generated.conftest import OPENAPI, PROGRAMS, ROOT, output
from tests.tools import tool

GENERATOR = "openapi-generator-cli.jar"
ANNOTATIONS = "jakarta.annotation-api.jar"
"""What the generated Java is compiled against, beside the libraries within the generator itself."""


def jar(name: str) -> Path:
    """A file that .ci/run fetches. Skips the test where it is not there, but fails it in CI."""
    path = ROOT / ".ci" / "bin" / name
    if not path.exists():
        assert not os.environ.get("READSTATE_REQUIRE_GENERATORS"), f"{path} is missing"
        pytest.skip(f"{name} is not installed: see .ci/run")
    return path


async def generated(language: str, folder: Path, *options: str) -> Path:
    """What openapi-generator makes. It refuses a description that is not valid."""
    java = tool("java", required_by="JAVA")
    command: list[str | Path] = [
        java,
        "-jar",
        jar(GENERATOR),
        "generate",
        "-i",
        OPENAPI,
        "-g",
        language,
        "-o",
        folder,
        *options,
    ]
    await output(*command)
    return folder


async def left(ada: ReadState) -> MarkResult:
    """What is left to do of what the programs do."""
    return await ada.mark_read([1, 2])


async def test_the_python_client_marks_and_reads(gateway_url: str, token: str, ada: ReadState, tmp_path: Path) -> None:
    package = await generated("python", tmp_path, "--additional-properties=packageName=readstate_rest")
    printed = await output(sys.executable, PROGRAMS / "mark.py", gateway_url, token, PYTHONPATH=str(package))
    assert printed.splitlines() == ["True 1 2 [50, 49, 48]", "unseen Grace None None", "Unauthorized"]
    assert await left(ada) == MarkResult(changed=0, matched=2)


async def test_the_java_client_compiles_and_marks(gateway_url: str, token: str, ada: ReadState, tmp_path: Path) -> None:
    options = ["--library", "native", "--additional-properties=openApiNullable=false,useJakartaEe=true"]
    sources = await generated("java", tmp_path, *options) / "src" / "main" / "java"
    classes = tmp_path / "classes"
    path = os.pathsep.join(map(str, [jar(GENERATOR), jar(ANNOTATIONS), classes]))
    files: list[Path] = [*sources.rglob("*.java"), PROGRAMS / "Mark.java"]
    await output(tool("javac", required_by="JAVA"), "-nowarn", "-proc:none", "-cp", path, "-d", classes, *files)
    printed = await output(tool("java", required_by="JAVA"), "-cp", path, "Mark", gateway_url, token)
    assert printed.splitlines() == ["true 1 2", "401"]
    assert await left(ada) == MarkResult(changed=0, matched=2)


async def test_the_types_of_openapi_typescript_fit(
    gateway_url: str, token: str, ada: ReadState, tmp_path: Path
) -> None:
    node = tool("node", required_by="NPM")
    await output(npm_program("openapi-typescript"), OPENAPI, "-o", tmp_path / "openapi.d.ts")
    shutil.copy(PROGRAMS / "mark.ts", tmp_path)
    options = ["--strict", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom"]
    await output(npm_program("tsc"), *options, "mark.ts", folder=tmp_path)
    printed = await output(node, "mark.js", gateway_url, token, folder=tmp_path)
    assert printed == "true 1 2\n"
    assert await left(ada) == MarkResult(changed=0, matched=2)


async def test_spectral_finds_nothing() -> None:
    options: list[str | Path] = ["--ruleset", PROGRAMS / "spectral.yaml", "--fail-severity", "hint"]
    await output(npm_program("spectral"), "lint", *options, OPENAPI)


def npm_program(name: str) -> Path:
    """A program that .ci/run installs from .ci/npm."""
    path = ROOT / ".ci" / "npm" / "node_modules" / ".bin" / name
    if not path.exists():
        assert not os.environ.get("READSTATE_REQUIRE_GENERATORS"), f"{path} is missing"
        pytest.skip(f"{name} is not installed: see .ci/run")
    return path
