"""Every suite of the project: `make test`.

Tests that measure time come first, and nothing else runs then. After that the largest suite runs in several processes.
The others run beside it, one at a time. Each suite writes to a file, and the files are shown one after another: the
largest suite comes last, so that its closing line is the last one on the screen.

A new suite is one more entry of `BESIDE`.
"""

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from tests.suite import Run, Suite, running

ROOT: Final = Path(__file__).parent.parent
ENGINE_TESTS: Final = ("tests/rpc", "tests/notifications", "tests/gateway", "tests/faults", "tests/unread")
"""What depends on the engine, and so runs on both."""
CHAOS: Final = "tests/chaos"
"""Its tests choose the engine themselves."""

WORKERS: Final = min(os.cpu_count() or 1, 4)
PARALLEL: Final = ("-n", str(WORKERS), "--dist", "worksteal")


def python(name: str, *arguments: str, **environment: str) -> Suite:
    return Suite(name, (sys.executable, "-m", "pytest", *arguments), ROOT, environment)


ALONE: Final = (
    python("the native engine, alone", "-m", "alone", *ENGINE_TESTS, READSTATE_ENGINE="native"),
    python("the default engine, alone", "-m", "alone"),
)
# `readstate` has to be on PATH for npm's tests.
TYPESCRIPT: Final = Suite(
    "clients/typescript",
    ("sh", "-c", "npm ci --silent && npm test"),
    ROOT / "clients" / "typescript",
    {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
)
# What marks, reads back and watches, with batches of one organisation, as a sharded database needs them. Left out is
# what belongs to mixed batches: faults in their statements, upgrades, and one statement where here are several.
MIXED_ONLY: Final = (
    "planted_fault",
    "nobody_starts_read_during_the_upgrade",
    "all_rows_are_one_statement",
    "a_bulk_run_left",  # nothing is pruned page by page there
    "debian",
)
BY_ORGANIZATION: Final = python(
    "batches of one organisation",
    *PARALLEL,
    *("-m", "not alone", "-k", f"not ({' or '.join(MIXED_ONLY)})"),
    *(f"tests/store/test_{name}.py" for name in ("group_commit", "histories", "inbox", "mark_all", "recording")),
    *(f"tests/store/test_{name}.py" for name in ("events", "erasure", "placing", "retention", "tidying", "unread")),
    *(f"tests/rpc/test_{name}.py" for name in ("claims_directory", "forget", "inbox", "marking", "recording")),
    *("tests/notifications", "tests/unread"),
    READSTATE_BATCH="organization",
)
BESIDE: Final = (
    TYPESCRIPT,
    python("the native engine", "-m", "not alone", *PARALLEL, *ENGINE_TESTS, READSTATE_ENGINE="native"),
    BY_ORGANIZATION,
    # Its rows mostly wait: for servers to start, and for what is dead to be noticed.
    python("faults and floods on both engines", "-m", "not alone", *PARALLEL, CHAOS),
)
LARGEST: Final = python("the default engine", "-m", "not alone", *PARALLEL, "--ignore", CHAOS)


def installed(suites: tuple[Suite, ...]) -> list[Suite]:
    """The suites without that of npm, where npm is missing and not required."""
    if shutil.which("npm"):
        return list(suites)
    if os.environ.get("READSTATE_REQUIRE_NPM"):
        sys.exit("npm is required, and not installed")
    print("npm is not installed: the tests of clients/typescript are skipped", flush=True)
    return [suite for suite in suites if suite is not TYPESCRIPT]


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM and the end of the terminal stop everything, as Ctrl-C does, also where a shell has us ignore Ctrl-C."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(130)


def main() -> int:
    """Run all; the exit code is 1 if any suite failed."""
    runs: list[Run] = []
    beside = installed(BESIDE)
    with interruptible():
        for suite in ALONE:
            with running(suite) as run:
                run.show()
                runs.append(run)
        with running(LARGEST) as largest:
            for suite in beside:
                with running(suite) as run:
                    run.show()
                    runs.append(run)
            largest.show()
            runs.append(largest)
    failed = [run.name for run in runs if run.failed]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
