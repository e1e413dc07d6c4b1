"""Mermaid, which draws the diagrams. npm fetches it once, so that a reader's browser need not."""

import base64
import hashlib
import subprocess
import tarfile
from pathlib import Path
from typing import Final

VERSION: Final = "12.3.0"
SHA512: Final = "4113TdXeLAsMruJ79OpFL5O8+LTFXhQqZ260rF3tgUmiNAtRm4Uume04I+65PRN6yZ69J4f8rVYWW8zRk65UYw=="


def fetch(cache: Path) -> bytes:
    """The script, from `cache` or from npm's registry.

    Raises:
        RuntimeError: the package is not the one that this file names.
    """
    package = cache / f"mermaid-{VERSION}.tgz"
    if not package.exists():
        cache.mkdir(parents=True, exist_ok=True)
        command = ["npm", "pack", "--silent", f"mermaid@{VERSION}", "--pack-destination", str(cache)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    digest = hashlib.sha512(package.read_bytes()).digest()
    if base64.b64encode(digest).decode() != SHA512:
        package.unlink()
        raise RuntimeError(f"{package.name} is not the package whose digest website/mermaid.py has")
    with tarfile.open(package) as archive:
        script = archive.extractfile("package/dist/mermaid.min.js")
        if script is None:
            raise RuntimeError(f"{package.name} has no dist/mermaid.min.js")
        return script.read()
