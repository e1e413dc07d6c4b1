"""The order of the pages."""

from pathlib import Path
from typing import Final

SECTIONS: Final[dict[str, tuple[str, ...]]] = {
    "Start": ("index.md", "tutorial.md", "demo.md", "how-it-works.md", "comparison.md"),
    "Use": (
        "rest.md",
        "reading-back.md",
        "live.md",
        "bell.md",
        "notifications.md",
        "clients.md",
        "identity.md",
        "directory.md",
        "recording.md",
        "errors.md",
    ),
    "References": ("reference/*.md", "reference/typescript/*.md"),
    "Operate": ("settings.md", "deploying.md", "manifests.md", "transcoding.md", "operating/*.md", "sizing.md"),
    "Trust": ("reliability.md", "performance.md", "benchmark.md", "security.md"),
    "Project": ("contributing.md", "changelog.md"),
    "Decisions": ("decisions/*.md",),
}
"""Patterns of page names: a folder's README comes first, the others in the order of their names."""


class Unlisted(Exception):
    """A page is in no section."""


def navigation(pages: Path) -> list[dict[str, list[str]]]:
    """The sections that have pages.

    Raises:
        Unlisted: nobody would find one of the pages.
    """
    sections = {title: names(pages, patterns) for title, patterns in SECTIONS.items()}
    listed = {name for section in sections.values() for name in section}
    if unlisted := {str(page.relative_to(pages)) for page in pages.rglob("*.md")} - listed:
        raise Unlisted(f"add to website/navigation.py: {', '.join(sorted(unlisted))}")
    return [{title: section} for title, section in sections.items() if section]


def names(pages: Path, patterns: tuple[str, ...]) -> list[str]:
    found = (sorted(pages.glob(pattern), key=lambda page: (page.name != "README.md", page)) for pattern in patterns)
    return [str(page.relative_to(pages)) for section in found for page in section]
