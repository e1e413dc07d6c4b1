"""One measurement: members who have read nothing, the load, and a look at what the database holds afterwards."""

import psutil

from bench import load_grpc, load_rest
from bench.calls import Arranged, arrange
from bench.contenders import Contender
from bench.cpu import metered
from bench.errors import BenchError
from bench.load_sql import pgbench
from bench.model import CpuTime, Load, Sample
from bench.plan import MARK, OVER_HTTP, SQL, Case


def measure(case: Case, contender: Contender, *, number: int, seconds: int) -> Sample:
    """Measure `case` once.

    Raises:
        BenchError: a call failed, or the database does not hold what the calls should have written.
    """
    database = contender.site.database
    arranged = arrange(case, contender)
    load, cpu = metered(
        lambda: _load(case, contender, arranged, seconds),
        service=contender.processes,
        database=database.postmaster,
        seconds=seconds,
    )
    require_success(str(case), load)
    arranged.verify(load)
    rate = load.calls / load.seconds
    service_us, database_us = _cpu_a_call(cpu, rate)
    return Sample(
        case=case,
        round=number,
        calls=load.calls,
        seconds=round(load.seconds, 4),
        calls_per_second=round(rate, 1),
        p50_ms=load.p50_ms,
        p99_ms=load.p99_ms,
        service_us=service_us,
        database_us=database_us,
        others_share=round(max(cpu.others, 0) / cpu.seconds / psutil.cpu_count(), 3) if cpu else None,
    )


def _load(case: Case, contender: Contender, arranged: Arranged, seconds: int) -> Load:
    if case.contender in SQL:
        return pgbench(contender.site.database, arranged.callers, clients=case.level, ids=case.ids, seconds=seconds)
    if case.contender in OVER_HTTP:
        load = load_rest.mark if case.call == MARK else load_rest.list_notifications
        return load(contender.port, arranged.tokens, level=case.level, seconds=seconds)
    assert arranged.requests is not None
    return load_grpc.call(
        contender.port, arranged.method, arranged.requests, arranged.tokens, level=case.level, seconds=seconds
    )


def _cpu_a_call(cpu: CpuTime | None, rate: float) -> tuple[float | None, float | None]:
    """µs of the service and of the database."""
    if cpu is None:
        return None, None
    calls = rate * cpu.seconds
    return round(cpu.service / calls * 1e6, 1), round(cpu.database / calls * 1e6, 1)


def require_success(what: str, load: Load) -> None:
    """Raise BenchError unless calls were answered, and none failed."""
    if load.failures:
        raise BenchError(f"{what}: calls failed: {load.failures}")
    if load.calls == 0:
        raise BenchError(f"{what}: no call was answered")
