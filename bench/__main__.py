"""The command line of the benchmark."""

import argparse
import os
import signal
import sys
import time
from dataclasses import replace

from bench import report, tools
from bench.errors import BenchError
from bench.plan import BEFORE, CALLS, CONTENDERS, FULL, LEVELS, QUICK, RESULTS, Case, cases
from bench.run import Wanted, run
from readstate.errors import StartupError

ALONE = ("reading", "watching", "growth")
"""Measured by themselves."""
PARTS = (*CONTENDERS, "slow-disk", *ALONE)
"""`slow-disk` is a part of what the contenders do."""


def _parts(text: str) -> list[str]:
    parts = text.split(",")
    if unknown := set(parts) - set(PARTS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: not among {', '.join(PARTS)}")
    return parts


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench", description="Measures readstate and its peers.")
    parser.add_argument("--quick", action="store_true", help="one short round; writes quick.json, not latest.json")
    parser.add_argument(
        "--before", metavar="COMMIT", help="measure an earlier commit as well, as before and before-gateway"
    )
    selection = parser.add_argument_group("a part of it, for tuning: prints the figures and writes no file")
    selection.add_argument("--only", type=_parts, metavar="NAME,NAME", help=", ".join(PARTS))
    selection.add_argument("--level", type=int, choices=LEVELS, help="calls in flight")
    selection.add_argument("--ids", type=int, choices=(1, 1000), help="ids of a call")
    selection.add_argument("--call", choices=tuple(CALLS), help="what a call does")
    selection.add_argument("--rounds", type=int)
    selection.add_argument("--seconds", type=int, help="of each measurement")
    return parser.parse_args()


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # Ours come from the bench alone.
    for name in [name for name in os.environ if name.startswith(("READSTATE_", "PG"))]:
        del os.environ[name]
    try:
        _run(_arguments())
    except (BenchError, StartupError) as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _run(arguments: argparse.Namespace) -> None:
    is_part = any(
        getattr(arguments, name) is not None for name in ("only", "level", "ids", "call", "rounds", "seconds")
    )
    wanted = _wanted(arguments, is_part=is_part)
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {line}", flush=True)

    results, found = run(wanted, say)
    table = report.markdown(results, found)
    print(f"\n{table}")
    if is_part:
        return
    from bench import plot  # slow to import, and needed only here

    name = "quick" if arguments.quick else "latest"
    RESULTS.mkdir(exist_ok=True)
    report.write_json(RESULTS / f"{name}.json", results)
    (RESULTS / f"{name}.md").write_text(table)
    plot.draw(found, results["machine"], RESULTS, name)
    say(f"written: {RESULTS.name}/{name}.json, .md, .svg, .png")


def _wanted(arguments: argparse.Namespace, *, is_part: bool) -> Wanted:
    plan = QUICK if arguments.quick else FULL
    given = {name: value for name in ("rounds", "seconds") if (value := getattr(arguments, name)) is not None}
    offered = [part for part in PARTS if arguments.before or part not in BEFORE]
    parts = _installed(arguments.only or offered)
    if not set(parts) <= set(offered):
        raise BenchError(f"{', '.join(BEFORE)}: only with --before COMMIT")
    chosen = [case for case in cases() if case.contender in parts and _matches(case, arguments, parts)]
    # They have no level and no ids: who asks for some of those asks for cases.
    alone = {part for part in ALONE if part in parts and (not is_part or arguments.only)}
    if not chosen and not alone:
        raise BenchError("nothing to measure")
    before = arguments.before if any(case.contender in BEFORE for case in chosen) else None
    return Wanted(replace(plan, **given), chosen, before, *(part in alone for part in ALONE))


def _matches(case: Case, arguments: argparse.Namespace, parts: list[str]) -> bool:
    # pgbench alone is compared with every level.
    level_fits = arguments.level in (None, case.level) or (case.contender == "pgbench" and case.ids == 1)
    disk_fits = "slow-disk" in parts or not case.slow_disk
    return level_fits and disk_fits and arguments.ids in (None, case.ids) and arguments.call in (None, case.call)


def _installed(parts: list[str]) -> list[str]:
    for tool, absent in tools.missing(parts).items():
        print(f"bench: without {tool} no {', '.join(sorted(absent))}. To get it: {tools.HOW[tool]}", file=sys.stderr)
        parts = [part for part in parts if part not in absent]
    if not parts:
        raise BenchError("nothing of that can be measured here")
    return parts


if __name__ == "__main__":
    main()
