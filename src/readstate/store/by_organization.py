"""Statements of one organisation, for a database that is sharded by organisation (docs/decisions/0027-citus.md).

There a statement runs on one shard, as it is, if it names one organisation as a scalar parameter. So with
READSTATE_BATCH=organization

- each statement on events, marks, cursors, notifications and replies has one `org_key`, as `$1` or `$2`. The sweeps
  first ask for organisations, in a statement of their own that reads all shards and locks nothing;
- no INSERT stands in a WITH: its rows would take the way over the coordinator, 4,200 µs of CPU each. An UPDATE or a
  DELETE there is harmless below a SELECT;
- an INSERT … SELECT takes `org_key` from a row that it reads, and reads no table that every node has: otherwise it
  goes to every shard;
- no volatile function changes a row, and none that is not immutable stands in a CASE or COALESCE of a change.

Both settings are valid on plain PostgreSQL. Statements whose shape suits both have one form.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

Batch: TypeAlias = Literal["mixed", "organization"]
"""What one statement may hold: several organisations, or one."""


class OnOrganizations(NamedTuple):
    """A statement on rows of several organisations, which come as arrays, in two forms."""

    together: str
    """`$1` is an array of organisations."""
    each: str
    """`$1` is one organisation. To be run for each; the other parameters have the same places."""


def by_place(statement: str) -> dict[Batch, str]:
    """Both forms of a statement, or of a part of one, that deletes rows by their place.

    On a shard the organisation has to stand beside the place, at `{shard}`. On a plain table it must not: a plan that
    was kept from an empty table would take an index on it.
    """
    return {
        "mixed": statement.replace("{shard}", ""),
        "organization": statement.replace("{shard}", "org_key = $1 AND "),
    }


def by_organization(
    org_keys: Sequence[int], columns: Sequence[Sequence[object]]
) -> Iterator[tuple[int, list[list[object]]]]:
    """Each organisation, in the order of keys, and what the columns have for it, in their order."""
    places: dict[int, list[int]] = {}
    for place, org_key in enumerate(org_keys):
        places.setdefault(org_key, []).append(place)
    for org_key in sorted(places):
        yield org_key, [[column[place] for place in places[org_key]] for column in columns]
