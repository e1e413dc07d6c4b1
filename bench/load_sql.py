"""Load from pgbench: the service's own statement, prepared, and nothing around it."""

import re
from collections.abc import Sequence
from typing import Final

from bench.database import Caller, Database
from bench.model import Load
from bench.plan import BUILD, EVENTS, STRIDE
from bench.processes import run
from bench.tools import program
from readstate.store.marks import sql

# `n` counts each client's transactions. The formulas are those of bench/ids.py and of loader/run.go.
_CALL: Final = """\
\\set n :n + 1
\\set call :n * :clients + :client_id
\\set member :first_member + :call % :members
"""
_ONE: Final = f"\\set event :call * {STRIDE} % {EVENTS} + 1\n"
# pgbench's variables hold numbers and no arrays, so the server makes the array, in well under a tenth of the time.
_MANY: Final = "\\set first :call * :ids + 1\n"
_ARRAY: Final = "ARRAY (SELECT generate_series(:first::bigint, :first::bigint + :ids::bigint - 1))"


def script(ids: int) -> str:
    array = "ARRAY[:event]" if ids == 1 else _ARRAY
    statement = sql.MARK_READ.replace("$1", ":org").replace("$2", ":member").replace("$3", array)
    assert "$" not in statement
    return _CALL + (_ONE if ids == 1 else _MANY) + statement.strip() + ";\n"


def pgbench(database: Database, callers: Sequence[Caller], *, clients: int, ids: int, seconds: int) -> Load:
    """Run the statement for `seconds`, or with many ids until there are no more.

    Every statement begun is waited for and counted.
    """
    path = BUILD / f"pgbench-{ids}.sql"
    path.write_text(script(ids))
    first = callers[0].member_key
    assert [caller.member_key for caller in callers] == list(range(first, first + len(callers)))
    values = {"n": -1, "clients": clients, "ids": ids, "org": database.org_key}
    values |= {"first_member": first, "members": len(callers)}
    command = [program("pgbench"), "--no-vacuum", "-M", "prepared", "-c", str(clients), "-j", str(min(2, clients))]
    # Large calls use the events up within seconds: so many that each event is marked once.
    command += ["-T", str(seconds)] if ids == 1 else ["-t", str(EVENTS // ids // clients)]
    command += ["-f", str(path)]
    for name, value in values.items():
        command += ["-D", f"{name}={value}"]
    output = run(command, seconds=seconds + 30, ours=database.environment)
    calls = int(_find(r"transactions actually processed: (\d+)", output))
    rate = float(_find(r"tps = ([\d.]+)", output))
    return Load(calls=calls, seconds=calls / rate, p50_ms=None, p99_ms=None)


def _find(pattern: str, output: str) -> str:
    match = re.search(pattern, output)
    assert match is not None, output
    return match[1]
