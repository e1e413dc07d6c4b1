"""The reference of the TypeScript client, made of its source by TypeDoc (website/typedoc)."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

TYPEDOC: Final = Path(__file__).resolve().parent / "typedoc"
INSTALLED: Final = TYPEDOC / "node_modules" / ".package-lock.json"
"""npm writes it when everything is installed."""


def write_reference(folder: Path) -> None:
    """Write one page for each entry point of the package."""
    install()
    shutil.rmtree(folder, ignore_errors=True)
    program = TYPEDOC / "node_modules" / ".bin" / "typedoc"
    subprocess.run([str(program), "--logLevel", "Warn", "--out", str(folder)], cwd=TYPEDOC, check=True)
    (folder / "index.md").unlink()  # a list of the pages, as the navigation has it
    for page in folder.glob("*.md"):
        # Markdown for Python has no escape for it.
        page.write_text(page.read_text().replace("\\<", "&lt;"))


def install() -> None:
    lock = TYPEDOC / "package-lock.json"
    if not INSTALLED.exists() or INSTALLED.stat().st_mtime < lock.stat().st_mtime:
        subprocess.run(["npm", "ci", "--silent", "--ignore-scripts"], cwd=TYPEDOC, check=True)
