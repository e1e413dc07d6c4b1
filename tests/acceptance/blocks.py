"""The commands on the pages: fenced blocks of shell, and what each is said to print."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from website.pages import ELSEWHERE

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = [
    *(ROOT / name for name in ELSEWHERE if name.endswith(".md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]

_BLOCK: Final = re.compile(
    r"^(?P<mark> *<!-- not run: (?P<reason>[^>]+) -->\n)?(?P<indent> *)```(?P<language>sh|shell|bash|console)\n"
    r"(?P<text>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Command:
    """`output` is empty where the page shows none."""

    text: str
    output: str


def commands(page: str) -> list[Command]:
    """The commands of a page in their order, but for the blocks that say why they are not run.

    The comment `<!-- not run: REASON -->` stands on the line before such a block.
    """
    found: list[Command] = []
    for block in _BLOCK.finditer(page):
        if block["mark"]:
            continue
        if block["language"] == "console":
            found += _console(block["text"])
        else:
            found.append(Command(block["text"], ""))
    return found


def _console(block: str) -> Iterator[Command]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        taken = next(count for count in range(1, len(lines) + 1) if _is_complete("\n".join(lines[:count])))
        yield Command("\n".join(lines[:taken]), "\n".join(lines[taken:]))


def _is_complete(command: str) -> bool:
    """Whether a shell would not wait for another line."""
    if command.endswith("\\"):
        return False
    return subprocess.run(["bash", "-n"], input=command, text=True, capture_output=True).returncode == 0
