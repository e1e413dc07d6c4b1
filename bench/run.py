"""A whole run: the database, the contenders, the rounds, the growth."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from bench import database, growth, machine
from bench.contenders import started
from bench.measure import measure
from bench.model import GrowthStep, Sample
from bench.plan import BUILD, EVENTS, SQL, Case, Plan
from bench.site import Site
from bench.summary import lines, ratios

Say = Callable[[str], None]
WARM_UP_LEVEL = 64


def run(plan: Plan, cases: Sequence[Case], *, with_growth: bool, say: Say) -> dict[str, Any]:
    """Measure `cases`, and the growth; returns everything that was found.

    Raises:
        BenchError: something did not start, or a measurement was not what it claims to be.
    """
    began = time.monotonic()
    BUILD.mkdir(exist_ok=True)
    with ExitStack() as stack:
        site = Site(stack.enter_context(database.running_database()))
        say(f"loading {EVENTS:,} events")
        site.database.load()
        samples = _rounds(plan, cases, site, say) if cases else []
        steps = growth.measure(site, plan, say) if with_growth else []
        return _results(plan, samples, steps, site) | {"minutes": round((time.monotonic() - began) / 60, 1)}


def _rounds(plan: Plan, cases: Sequence[Case], site: Site, say: Say) -> list[Sample]:
    say("starting the contenders")
    with started({case.contender for case in cases}, site) as ports:
        # Not counted: compilers warm up, pools open their connections, every plan becomes the generic one.
        for contender in dict.fromkeys(case.contender for case in cases if case.contender not in SQL):
            measure(Case(contender, WARM_UP_LEVEL), site, ports, number=0, seconds=1)
        samples = []
        for number in range(1, plan.rounds + 1):
            site.database.settle()
            for case in cases:
                sample = measure(case, site, ports, number=number, seconds=plan.seconds)
                samples.append(sample)
                p50 = "" if sample.p50_ms is None else f", p50 {sample.p50_ms:.2f} ms"
                say(f"{number}/{plan.rounds}  {case}: {sample.calls_per_second:,.0f} calls/s{p50}")
    return samples


def _results(plan: Plan, samples: list[Sample], steps: list[GrowthStep], site: Site) -> dict[str, Any]:
    found = lines(samples)
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": machine.machine(),
        "versions": machine.versions(site.database),
        "postgresql_settings": machine.postgres_settings(),
        "plan": asdict(plan),
        "ratios": ratios(found, steps),
        "medians": [
            {**asdict(case), **{key: value for key, value in asdict(line).items() if key != "case"}}
            for case, line in found.items()
        ],
        "growth": [asdict(step) for step in steps],
        "rounds": [asdict(sample) for sample in samples],
    }
