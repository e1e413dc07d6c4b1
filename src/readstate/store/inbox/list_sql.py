"""The statements of lists of events. Page, flags, counts and total come from one statement, and so from one snapshot.

Parameters: $1 organisation, $2 member, $3 events to return, $4 events to skip. Then, with a filter: $5 types,
$6 actors, $7 subjects, $8 workspaces, $9 and $10 the window of time, $11 whether to count the total. Then, in the order
of `seq`: the position below which the list begins. Last, where only what is unread is listed: how many of the member's
rows to look at.

Every statement returns one row at least, that of the state, with no event in it where the list is empty.
"""

from typing import Final


def _with(template: str, **parts: str) -> str:
    """The template with its names in braces replaced."""
    for name, text in parts.items():
        template = template.replace(f"{{{name}}}", text)
    return template


# `all_read + '{}'` changes nothing, but it makes a value in memory: stored apart, the ranges would be fetched again for
# every event.
_STATE: Final = """
WITH state AS MATERIALIZED (
    SELECT s.last_seq AS head, s.pruned_seq, s.last_seq - coalesce(c.read_count, s.pruned_seq) AS unread,
           coalesce(c.version, 0) AS version, coalesce(c.pruned_seq < s.pruned_seq, false) AS behind,
           coalesce(c.all_read + '{}', int4multirange(int4range(1, s.pruned_seq + 1))) AS all_read
      FROM event_stream s
      LEFT JOIN LATERAL (
        SELECT version, read_count, pruned_seq, all_read FROM read_cursor
         WHERE org_key = $1 AND member_key = $2 OFFSET 0) c ON true
     WHERE s.org_key = $1)"""

_EVENT: Final = """e.seq, e.event_id, e.type, e.title, e.payload, e.occurred_at, e.recorded_at,
           e.actor_id, e.subject_id, e.workspace_id"""

# The flag of an event that is on the page.
_READ: Final = """state.all_read @> e.seq OR EXISTS (
           SELECT FROM read_mark m WHERE m.member_key = $2 AND m.org_key = $1 AND m.seq = e.seq)"""

# -- All events, or all that are unread --------------------------------------------------------------------------------

# Positions have no gap, so skipping is a subtraction, and the total is one too.
LIST: Final = _with(
    """{state}
SELECT head, unread, version, behind, 0 AS floor, head - pruned_seq AS total, e.*, {read} AS read
  FROM state
  LEFT JOIN LATERAL (
    SELECT {event} FROM system_event e
     WHERE e.org_key = $1 AND e.seq <= least($5::int - 1, state.head) - $4::int
     ORDER BY e.seq DESC LIMIT $3) e ON true
 ORDER BY e.seq DESC
""",
    state=_STATE,
    event=_EVENT,
    read=_READ,
)

# What is unread lies in the gaps between ranges and rows. Of the rows only the newest are looked at, down to `floor`:
# at and below it nothing is known. A page that is short although its floor is above 0 is asked for again, with all.
_GAPS: Final = """{state},
row AS MATERIALIZED (
    SELECT seq FROM read_mark m
     WHERE m.member_key = $2 AND m.org_key = $1 AND m.seq < {before} ORDER BY m.seq DESC LIMIT {rows}),
known AS MATERIALIZED (
    SELECT CASE WHEN count(*) < {rows} THEN 0 ELSE min(seq) - 1 END AS floor,
           coalesce(range_agg(int4range(seq, seq + 1)), '{}') AS rows
      FROM row),
gap AS MATERIALIZED (
    SELECT lower(r) AS lo, upper(r) AS hi
      FROM state, known, unnest(
           int4multirange(int4range(floor + 1, greatest(least({before}::int, head + 1), floor + 1)))
           - all_read - rows) AS r)"""

# The positions of the page are known before any event is looked up.
LIST_UNREAD: Final = _with(
    """{gaps},
span AS MATERIALIZED (
    SELECT lo, hi, sum(hi - lo) OVER (ORDER BY lo DESC) - (hi - lo) AS above FROM gap),
position AS MATERIALIZED (
    SELECT p.seq
      FROM span
     CROSS JOIN LATERAL generate_series(hi - 1, greatest(lo, hi - ($3::int + $4::int - above)), -1) AS p (seq)
     WHERE above < $3::int + $4::int
     ORDER BY p.seq DESC LIMIT $3 OFFSET $4)
SELECT head, unread, version, behind, floor, unread AS total, e.*, false AS read
  FROM state
 CROSS JOIN known
  LEFT JOIN LATERAL (
    SELECT e.*
      FROM position p
     CROSS JOIN LATERAL (
        SELECT {event} FROM system_event e WHERE e.org_key = $1 AND e.seq = p.seq OFFSET 0) e) e ON true
 ORDER BY e.seq DESC
""",
    gaps=_GAPS,
    state=_STATE,
    event=_EVENT,
    before="$5",
    rows="$6",
)

# -- With a filter -----------------------------------------------------------------------------------------------------

# These are planned anew for every call, because the best plan depends on the arguments: a filter that is NULL vanishes
# from such a plan. The filters that no index serves work on what type and time leave.
_FILTER: Final = """e.org_key = $1
           AND ($6::text[] IS NULL OR e.actor_id = ANY ($6))
           AND ($7::text[] IS NULL OR e.subject_id = ANY ($7))
           AND ($8::text[] IS NULL OR e.workspace_id = ANY ($8))
           AND ($9::timestamptz IS NULL OR e.occurred_at >= $9)
           AND ($10::timestamptz IS NULL OR e.occurred_at < $10)"""
_OF_TYPES: Final = "($5::text[] IS NULL OR e.type = ANY ($5))"

_IS_UNREAD: Final = """AND NOT (SELECT all_read FROM state) @> e.seq AND NOT EXISTS (
           SELECT FROM read_mark m WHERE m.member_key = $2 AND m.org_key = $1 AND m.seq = e.seq)"""

# The gaps are walked from the newest, and no further than the page goes: a join with LATERAL keeps the order of its
# left side. The events of several types are one range of the index for each, merged.
_WALK: Final = """{gaps}
SELECT head, unread, version, behind, floor, e.*, {read} AS read,
       CASE WHEN $11 THEN (SELECT count(*) FROM system_event e WHERE {filter} AND {of_types} {is_unread}) END AS total
  FROM state
 CROSS JOIN known
  LEFT JOIN LATERAL (
    SELECT e.*
      FROM (SELECT lo, hi FROM gap ORDER BY lo DESC) gap
     CROSS JOIN LATERAL ({events}
         ORDER BY e.seq DESC LIMIT $3::int + $4::int) e
     LIMIT $3 OFFSET $4) e ON true
 ORDER BY e.seq DESC
"""
_EVENTS: Final = """
        SELECT {event} FROM system_event e WHERE {filter} AND e.seq >= gap.lo AND e.seq < gap.hi"""
_EVENTS_OF_TYPES: Final = """
        SELECT e.*
          FROM unnest($5::text[]) AS t (type)
         CROSS JOIN LATERAL (
            SELECT {event} FROM system_event e
             WHERE {filter} AND e.type = t.type AND e.seq >= gap.lo AND e.seq < gap.hi
             ORDER BY e.seq DESC LIMIT $3::int + $4::int) e"""

_ONE_GAP: Final = """{state},
known AS MATERIALIZED (SELECT 0 AS floor),
gap AS MATERIALIZED (SELECT 1 AS lo, least({before}::int, head + 1) AS hi FROM state)"""


def _walk(gaps: str, events: str, read: str, is_unread: str) -> str:
    shape = _with(_WALK, gaps=gaps, events=events, read=read, is_unread=is_unread)
    return _with(shape, state=_STATE, event=_EVENT, filter=_FILTER, of_types=_OF_TYPES, before="$12", rows="$13")


FILTER: Final = _walk(_ONE_GAP, _EVENTS, _READ, "")
FILTER_TYPES: Final = _walk(_ONE_GAP, _EVENTS_OF_TYPES, _READ, "")
FILTER_UNREAD: Final = _walk(_GAPS, _EVENTS, "false", _IS_UNREAD)
FILTER_TYPES_UNREAD: Final = _walk(_GAPS, _EVENTS_OF_TYPES, "false", _IS_UNREAD)

_BY_TIME: Final = """{state}
SELECT head, unread, version, behind, 0 AS floor, e.*, {read} AS read,
       CASE WHEN $11 THEN (SELECT count(*) FROM system_event e WHERE {filter} AND {of_types} {is_unread}) END AS total
  FROM state
  LEFT JOIN LATERAL (
    SELECT {event} FROM system_event e
     WHERE {filter} AND {of_types} {is_unread}
     ORDER BY e.occurred_at DESC, e.seq DESC LIMIT $3 OFFSET $4) e ON true
 ORDER BY e.occurred_at DESC, e.seq DESC
"""


def _by_time(read: str, is_unread: str) -> str:
    shape = _with(_BY_TIME, read=read, is_unread=is_unread)
    return _with(shape, state=_STATE, event=_EVENT, filter=_FILTER, of_types=_OF_TYPES)


BY_TIME: Final = _by_time(_READ, "")
BY_TIME_UNREAD: Final = _by_time("false", _IS_UNREAD)

# For the transaction only: the statements above are planned with their arguments.
PLAN_ANEW: Final = "SELECT set_config('plan_cache_mode', 'force_custom_plan', true)"
