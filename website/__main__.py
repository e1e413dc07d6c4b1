"""Builds the site: `make docs`. It is complete in website/build/site, and needs no other site when it is read."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from website import grpc, mermaid, pages, rest, typescript
from website.navigation import Unlisted, navigation

HERE: Final = Path(__file__).resolve().parent
BUILD: Final = HERE / "build"


def assemble(folder: Path) -> None:
    """Write what Zensical needs: its configuration and, in docs/, all pages."""
    docs = folder / "docs"
    shutil.rmtree(docs, ignore_errors=True)
    pages.copy_all(docs)
    (docs / "reference" / "grpc.md").write_text(grpc.reference())
    (docs / "reference" / "rest.md").write_text(rest.reference())
    typescript.write_reference(docs / "reference" / "typescript")
    (docs / "assets").mkdir(exist_ok=True)
    (docs / "assets" / "mermaid.min.js").write_bytes(mermaid.fetch(BUILD / "cache"))
    settings = (HERE / "zensical.yml").read_text()
    (folder / "mkdocs.yml").write_text(f"{settings}nav: {json.dumps(navigation(docs))}\n")


class Foreign(Exception):
    """A page would load something from another site."""


LOADS: Final = re.compile(
    r"<(?:script|img|iframe|source)[^>]+src=\"?https?:[^>]+>"
    r"|<link[^>]+stylesheet[^>]+https?:[^>]+>"
)


def check(site: Path) -> None:
    """Look for what a browser would fetch from another site.

    Raises:
        Foreign: a page has such a thing.
    """
    for page in site.rglob("*.html"):
        if found := LOADS.search(page.read_text()):
            raise Foreign(f"{page.relative_to(site)}: {found.group()}")


def main() -> None:
    try:
        build()
    except (pages.BrokenLink, Unlisted, Foreign, subprocess.CalledProcessError) as error:
        sys.exit(str(error))


def build() -> None:
    assemble(BUILD)
    zensical = Path(sys.executable).with_name("zensical")
    command = [str(zensical), "build", "--clean", "--strict", "--config-file", "mkdocs.yml"]
    subprocess.run(command, cwd=BUILD, check=True)
    check(BUILD / "site")


if __name__ == "__main__":
    main()
