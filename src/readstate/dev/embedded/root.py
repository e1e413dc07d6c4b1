"""For root: PostgreSQL runs as another user, and its folders are opened to that user."""

import os
import pwd
import stat
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from readstate.dev.embedded.program import Refused

ROOT_USER: Final = "embedded_postgres"


def unprivileged(folder: Path, binaries: Path) -> Mapping[str, Any]:
    """Arguments of subprocess.Popen with which PostgreSQL does not run as root. Empty if this process is not root.

    Raises:
        Refused: the user does not exist and cannot be made.
    """
    if os.geteuid() != 0:
        return {}
    entry = _system_user()
    _open_way_to(folder)
    _open_way_to(binaries.parent)
    _open_tree(binaries.parent)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _system_user() -> pwd.struct_passwd:
    with suppress(KeyError):
        return pwd.getpwnam(ROOT_USER)
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", ROOT_USER]
    try:
        subprocess.run(command, check=False, capture_output=True)  # noqa: S603
        return pwd.getpwnam(ROOT_USER)
    except (OSError, KeyError):
        raise Refused(f"PostgreSQL does not run as root, and the user {ROOT_USER} cannot be made") from None


def _open_way_to(path: Path) -> None:
    for parent in path.resolve().parents:
        _allow(parent, stat.S_IXOTH)


def _open_tree(folder: Path) -> None:
    # pip installs with the umask of whoever ran it.
    for path in (folder, *folder.rglob("*")):
        executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
        _allow(path, stat.S_IROTH | (stat.S_IXOTH if executable else 0))


def _allow(path: Path, bits: int) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & bits != bits:
        path.chmod(mode | bits)


def chown_to(path: Path, as_user: Mapping[str, Any]) -> None:
    """Give `path` to the user of these arguments."""
    if as_user:
        os.chown(path, as_user["user"], as_user["group"])
