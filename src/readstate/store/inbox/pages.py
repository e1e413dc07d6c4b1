"""Lists of events: which statement answers a query, and its rows as a page."""

from typing import Final

from readstate.model import EventPage, EventQuery, OrgMember, SystemEvent, UnreadState
from readstate.store.inbox import list_sql as sql
from readstate.store.pool import Connection, Row
from readstate.store.read_cursor.lock import settle

ROWS_LOOKED_AT: Final = 256
"""Of a member's newest rows, for a list of what is unread. Rows that are many are folded into ranges before long."""
_ALL_ROWS: Final = 2**31 - 1
_NEWEST: Final = 2**31 - 1


async def page(connection: Connection, member: OrgMember, query: EventQuery) -> EventPage:
    """The page that the query asks for."""
    while True:
        rows = await _rows(connection, member, query)
        if not rows[0]["behind"]:
            return _page(query, rows)
        await settle(connection, member)


async def _rows(connection: Connection, member: OrgMember, query: EventQuery) -> list[Row]:
    rows = await _ask(connection, member, query, ROWS_LOOKED_AT)
    if rows[0]["floor"] and len(rows) <= query.limit:
        rows = await _ask(connection, member, query, _ALL_ROWS)
    return rows


async def _ask(connection: Connection, member: OrgMember, query: EventQuery, rows_looked_at: int) -> list[Row]:
    # One event more than asked for says whether there is another page.
    arguments: list[object] = [member.org_key, member.member_key, query.limit + 1, query.skip]
    filtered = _is_filtered(query)
    if filtered:
        arguments += _filters(query)
    if query.order == "seq":
        arguments.append(_NEWEST if query.before is None else query.before)
        if query.unread_only:
            arguments.append(rows_looked_at)
    if not filtered:
        return await connection.rows(_statement(query), *arguments)
    async with connection.transaction():
        await connection.rows(sql.PLAN_ANEW)
        return await connection.rows(_statement(query), *arguments)


def _is_filtered(query: EventQuery) -> bool:
    return query.order == "occurred_at" or any(_filters(query)[:-1])


def _filters(query: EventQuery) -> list[object]:
    return [
        # Once each: a list of types is walked type by type.
        list(dict.fromkeys(query.types)) or None,
        *(list(names) or None for names in (query.actor_ids, query.subject_ids, query.workspace_ids)),
        query.occurred_from,
        query.occurred_before,
        query.with_total,
    ]


def _statement(query: EventQuery) -> str:
    match _is_filtered(query), query.order, bool(query.types), query.unread_only:
        case False, _, _, False:
            return sql.LIST
        case False, _, _, True:
            return sql.LIST_UNREAD
        case _, "occurred_at", _, False:
            return sql.BY_TIME
        case _, "occurred_at", _, True:
            return sql.BY_TIME_UNREAD
        case _, _, False, False:
            return sql.FILTER
        case _, _, False, True:
            return sql.FILTER_UNREAD
        case _, _, True, False:
            return sql.FILTER_TYPES
        case _:
            return sql.FILTER_TYPES_UNREAD


def _page(query: EventQuery, rows: list[Row]) -> EventPage:
    found = [row for row in rows if row["seq"] is not None]
    events = [_event(row) for row in found[: query.limit]]
    more = query.order == "seq" and len(found) > query.limit
    state = UnreadState(rows[0]["unread"], rows[0]["head"], rows[0]["version"])
    return EventPage(events, events[-1].seq if more else None, state, rows[0]["total"] if query.with_total else None)


def _event(row: Row) -> SystemEvent:
    return SystemEvent(
        event_id=row["event_id"],
        seq=row["seq"],
        type=row["type"],
        title=row["title"],
        payload=row["payload"],
        occurred_at=row["occurred_at"],
        recorded_at=row["recorded_at"],
        actor_id=row["actor_id"],
        subject_id=row["subject_id"],
        workspace_id=row["workspace_id"],
        read=row["read"],
    )
