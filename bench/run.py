"""A whole run: the database, the contenders, the rounds, reading back, watching, the growth."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any

from bench import database, growth, machine, reading, watching
from bench.before import Earlier, earlier
from bench.contenders import Contender, started
from bench.errors import BenchError
from bench.measure import measure
from bench.model import GrowthStep, ReadBack, Sample, Watching
from bench.plan import BUILD, EVENTS, Case, Plan
from bench.site import Site
from bench.slow_disk import FLUSH_SECONDS, SlowDisk, slow_disk
from bench.summary import Lines, lines, ratios
from readstate.store.migrate import migrate
from readstate.store.role_defaults import set_role_defaults

Say = Callable[[str], None]
WARM_UP_LEVEL = 64


@dataclass(frozen=True)
class Wanted:
    """What is to be measured."""

    plan: Plan
    cases: Sequence[Case]
    before: str | None
    """A commit of this repository."""
    with_reading: bool
    with_watching: bool
    with_growth: bool


def run(wanted: Wanted, say: Say) -> tuple[dict[str, Any], Lines]:
    """Measure; returns everything that was found, and the rounds put together.

    Raises:
        BenchError: something did not start, or a measurement was not what it claims to be.
    """
    began = time.monotonic()
    BUILD.mkdir(exist_ok=True)
    with ExitStack() as stack:
        disk = stack.enter_context(slow_disk())
        site = Site(stack.enter_context(database.running_database(disk)))
        say(f"loading {EVENTS:,} events")
        site.database.run(migrate(site.database.url))
        site.database.run(set_role_defaults(site.database.url))
        site.database.load()
        before = stack.enter_context(earlier(wanted.before, site)) if wanted.before else None
        samples = _rounds(wanted, site, before, disk, say) if wanted.cases else []
        read_back = reading.measure(site, wanted.plan, say) if wanted.with_reading else None
        watched = watching.measure(site, wanted.plan, say) if wanted.with_watching else []
        steps = growth.measure(site, wanted.plan, say) if wanted.with_growth else []
        found = lines(samples)
        results = _header(wanted.plan, before, site) | _figures(found, samples, steps, read_back, watched)
        return results | {"minutes": round((time.monotonic() - began) / 60, 1)}, found


def _rounds(wanted: Wanted, site: Site, before: Earlier | None, disk: SlowDisk, say: Say) -> list[Sample]:
    say("starting the contenders")
    plan = wanted.plan
    with started({case.contender for case in wanted.cases}, site, before) as contenders:
        _warm_up(wanted.cases, contenders)
        samples = []
        for number in range(1, plan.rounds + 1):
            site.database.settle()
            for case in wanted.cases:
                with _slowed(disk, site) if case.slow_disk else nullcontext():
                    sample = measure(case, contenders[case.contender], number=number, seconds=plan.seconds)
                samples.append(sample)
                say(f"{number}/{plan.rounds}  {_told(sample)}")
    return samples


@contextmanager
def _slowed(disk: SlowDisk, site: Site) -> Iterator[None]:
    with disk.slow():
        began = time.monotonic()
        site.database.execute("UPDATE event_stream SET last_seq = last_seq")
        if time.monotonic() - began < FLUSH_SECONDS:
            raise BenchError("the disk is not slow: PostgreSQL did not load the library")
        yield


def _warm_up(cases: Sequence[Case], contenders: dict[str, Contender]) -> None:
    # Not counted: compilers warm up, pools open their connections, every plan becomes the generic one.
    for contender, call in dict.fromkeys((case.contender, case.call) for case in cases):
        if contenders[contender].processes:
            measure(Case(contender, WARM_UP_LEVEL, call=call), contenders[contender], number=0, seconds=1)


def _told(sample: Sample) -> str:
    p50 = "" if sample.p50_ms is None else f", p50 {sample.p50_ms:.2f} ms"
    cpu = "" if sample.service_us is None else f", CPU {sample.service_us:.0f} + {sample.database_us:.0f} µs a call"
    others = "" if sample.others_share is None else f"; others used {sample.others_share:.0%} of the machine"
    return f"{sample.case}: {sample.calls_per_second:,.0f} calls/s{p50}{cpu}{others}"


def _header(plan: Plan, before: Earlier | None, site: Site) -> dict[str, Any]:
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": machine.machine(),
        "versions": machine.versions(site.database),
        "postgresql_settings": machine.postgres_settings(),
        "plan": asdict(plan),
        "before": before.commit if before else None,
    }


def _figures(
    found: Lines,
    samples: list[Sample],
    steps: list[GrowthStep],
    read_back: ReadBack | None,
    watched: list[Watching],
) -> dict[str, Any]:
    return {
        "others_share": _others(samples),
        "ratios": ratios(found, steps, read_back, watched),
        "medians": [asdict(case) | asdict(line) for case, line in found.items()],
        "reading": asdict(read_back) if read_back else None,
        "watching": [asdict(one) for one in watched],
        "growth": [asdict(step) for step in steps],
        "rounds": [asdict(sample) for sample in samples],
    }


def _others(samples: list[Sample]) -> float | None:
    shares = [sample.others_share for sample in samples if sample.others_share is not None]
    return statistics.median(shares) if shares else None
