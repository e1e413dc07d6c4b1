"""Makes .venv from the lock file: `python requirements/make_venv.py VENV STAMP`. Called by make, from the root.

STAMP is written last, so an interrupted install is begun anew. The lock lets `make run` and `make test` start at the
same time in a fresh clone: the second one waits and finds the work done.
"""

import fcntl
import subprocess
import sys
import venv
from pathlib import Path

SOURCES = (Path("requirements/dev.txt"), Path("pyproject.toml"))


def is_current(stamp: Path) -> bool:
    return stamp.exists() and all(source.stat().st_mtime <= stamp.stat().st_mtime for source in SOURCES)


def install(folder: Path) -> None:
    venv.create(folder, clear=True, with_pip=True, symlinks=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", SOURCES[0]], check=True)
    # The build backend came from the lock file: nothing is fetched for this step.
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--editable", "."], check=True)


def main(folder: Path, stamp: Path) -> None:
    with folder.with_name(folder.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_current(stamp):
            print(f"making {folder} from {SOURCES[0]}: once, about a minute", flush=True)
            install(folder)
            stamp.touch()


if __name__ == "__main__":
    try:
        main(*map(Path, sys.argv[1:]))
    except subprocess.CalledProcessError as error:
        sys.exit(f"could not make the virtual environment: pip ended with {error.returncode}; its reason is above")
    except KeyboardInterrupt:
        sys.exit(130)
