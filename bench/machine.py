"""What the figures were measured on: enough to compare, nothing that names the machine."""

import os
import platform
import re
from typing import Any

from bench.database import SETTINGS, Database
from bench.processes import run
from bench.tools import find


def machine() -> dict[str, int]:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {"cores": len(os.sched_getaffinity(0)), "memory_gib": round(memory / (1 << 30))}


def versions(database: Database) -> dict[str, str]:
    found = {"python": platform.python_version(), "postgresql": database.value("SHOW server_version").split()[0]}
    for tool, arguments in {"go": ["version"], "node": ["--version"]}.items():
        if path := find(tool):
            found[tool] = _number(run([path, *arguments], seconds=30))
    return found


def postgres_settings() -> dict[str, Any]:
    return dict(SETTINGS)


def _number(text: str) -> str:
    match = re.search(r"\d+(\.\d+)+", text)
    return match[0] if match else ""
