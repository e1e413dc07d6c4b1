"""Copies the pages to where the site is built from, and turns their links to the repository into links of the site."""

import os
import re
import shutil
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
LINK: Final = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
FENCE: Final = re.compile(r"(^ *```.*?^ *```$)", re.MULTILINE | re.DOTALL)

ELSEWHERE: Final = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "clients/typescript/README.md": "reference/typescript.md",
    "bench/README.md": "benchmark.md",
    "deploy/README.md": "manifests.md",
    "deploy/transcoding/README.md": "transcoding.md",
    "protos/readstate/v1": "reference/grpc.md",
    "src/readstate/gateway/openapi.yaml": "reference/rest.md",
    "clients/typescript/src/index.ts": "reference/typescript/client.md",
}
"""Where a file or folder that is not in docs/ is on the site. The README itself is not copied: index.md is its page."""

ASSETS: Final = {".svg", ".png"}


class BrokenLink(Exception):
    """A page links to a file that does not exist."""


def copy_all(output: Path) -> None:
    """Write every page below `output`.

    Raises:
        BrokenLink: a page names a file that the repository does not have.
    """
    for page in sorted((ROOT / "docs").rglob("*")):
        if page.suffix == ".md":
            copy(page, page.relative_to(ROOT / "docs"), output)
        elif page.is_file():
            place(page, output / page.relative_to(ROOT / "docs"))
    for source, name in ELSEWHERE.items():
        if source.endswith(".md") and name != "index.md":
            copy(ROOT / source, Path(name), output)


def copy(source: Path, name: Path, output: Path) -> None:
    """Write one page as `output / name`, its links made to fit."""
    target = output / name
    target.parent.mkdir(parents=True, exist_ok=True)
    parts = FENCE.split(source.read_text())
    # Each second part is a fenced block: what looks like a link there is none.
    parts[::2] = [LINK.sub(lambda link: relink(link, source, name, output), part) for part in parts[::2]]
    target.write_text("".join(parts))


def relink(link: re.Match[str], source: Path, name: Path, output: Path) -> str:
    """The same link, as it works on the site. A file that is not on the site keeps its text only."""
    picture, text, address = link.groups()
    path, hash_sign, anchor = address.partition("#")
    if not path or re.match(r"[a-z]+:", address):
        return link.group()
    found = Path(os.path.normpath(source.parent / path))
    if not found.exists():
        raise BrokenLink(f"{source.relative_to(ROOT)}: {address}")
    repository_path = found.relative_to(ROOT)
    if repository_path.suffix in ASSETS:
        place(found, output / "assets" / repository_path.name)
        where = Path("assets", repository_path.name)
    elif str(repository_path) in ELSEWHERE:
        where = Path(ELSEWHERE[str(repository_path)])
    elif repository_path.parts[0] == "docs" and found.suffix == ".md":
        where = repository_path.relative_to("docs")
    else:
        return text
    return f"{picture}[{text}]({os.path.relpath(where, name.parent)}{hash_sign}{anchor})"


def place(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
