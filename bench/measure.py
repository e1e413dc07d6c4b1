"""One measurement: a caller who has read nothing, the load, and a look at what the database holds afterwards."""

import json

from bench.errors import BenchError
from bench.load_grpc import ghz, messages
from bench.load_rest import wrk
from bench.load_sql import pgbench
from bench.model import Load, Sample
from bench.plan import REST, SQL, Case
from bench.site import Site


def measure(case: Case, site: Site, ports: dict[str, int], *, number: int, seconds: int) -> Sample:
    """Measure `case` once.

    Raises:
        BenchError: a call failed, or the marks in the database are not those of the calls.
    """
    caller = site.database.caller()
    token = site.token(caller)
    if case.contender in SQL:
        load = pgbench(site.database, caller, clients=case.level, ids=case.ids, seconds=seconds)
    elif case.contender in REST:
        load = wrk(ports[case.contender], token, level=case.level, seconds=seconds)
    else:
        metadata = bearer(token)
        load = ghz(ports[case.contender], metadata, messages(case.ids), level=case.level, seconds=seconds)
    marks = site.database.marks([caller.member_key])
    verify(str(case), load, marks, ids=case.ids, uncounted=case.level if case.contender in REST else 0)
    return Sample(
        round=number,
        contender=case.contender,
        level=case.level,
        ids=case.ids,
        calls=load.calls,
        marks=marks,
        seconds=round(load.seconds, 4),
        calls_per_second=round(load.calls / load.seconds, 1),
        p50_ms=load.p50_ms,
        p99_ms=load.p99_ms,
    )


def bearer(token: str) -> str:
    """A token as ghz takes metadata."""
    return json.dumps({"authorization": f"Bearer {token}"})


def verify(what: str, load: Load, marks: int, *, ids: int, uncounted: int = 0) -> None:
    """Raise BenchError unless every call succeeded and wrote `ids` marks, but for `uncounted` calls at the most."""
    if load.failures:
        raise BenchError(f"{what}: calls failed: {load.failures}")
    if load.calls == 0:
        raise BenchError(f"{what}: no call was answered")
    if not load.calls * ids <= marks <= (load.calls + uncounted) * ids:
        raise BenchError(f"{what}: {load.calls} calls of {ids} ids left {marks} marks: an event was marked twice")
