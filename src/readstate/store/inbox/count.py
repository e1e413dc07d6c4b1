"""How much a member has not read. Calls that come while a look-up is in flight share the next one."""

import asyncio
from collections.abc import Sequence
from contextvars import Context
from typing import Final, TypeAlias

from readstate import deadline
from readstate.model import OrgMember, UnreadState
from readstate.store.by_organization import OnOrganizations
from readstate.store.pool import Connection, Database, Row
from readstate.store.read_cursor.lock import settle
from readstate.store.read_cursor.phase import CursorPhase

LOOKUPS: Final = 2
"""In flight at once: one that is slow does not hold up the others."""
MEMBERS_PER_LOOKUP: Final = 500

# One row of the stream and one of the cursor for each member, in one snapshot: a count beside the `last_seq` of another
# one was once -20.
_STATE: Final = """
SELECT s.last_seq - coalesce(c.read_count, s.pruned_seq) AS unread, s.last_seq AS head,
       coalesce(c.version, 0) AS version, coalesce(c.pruned_seq < s.pruned_seq, false) AS behind"""
UNREAD_COUNTS: Final = OnOrganizations(
    together="""{state}
  FROM unnest($1::int[], $2::bigint[]) WITH ORDINALITY AS i (org_key, member_key, place)
 CROSS JOIN LATERAL (SELECT last_seq, pruned_seq FROM event_stream s WHERE s.org_key = i.org_key OFFSET 0) s
  LEFT JOIN LATERAL (
    SELECT version, read_count, pruned_seq FROM read_cursor c
     WHERE c.org_key = i.org_key AND c.member_key = i.member_key OFFSET 0) c ON true
 ORDER BY i.place
""".replace("{state}", _STATE),
    each="""{state}
  FROM event_stream s
 CROSS JOIN unnest($2::bigint[]) WITH ORDINALITY AS i (member_key, place)
  LEFT JOIN LATERAL (
    SELECT version, read_count, pruned_seq FROM read_cursor c
     WHERE c.org_key = $1 AND c.member_key = i.member_key OFFSET 0) c ON true
 WHERE s.org_key = $1
 ORDER BY i.place
""".replace("{state}", _STATE),
)


_Answer: TypeAlias = "asyncio.Future[UnreadState | None]"
"""None says that the look-up broke off, or that the cursor has to be settled: the call has to ask alone."""


class UnreadCounts:
    """Counts of unread events. Raises as `Database.run`.

    The promise: a call that begins after a change's reply counts what the change left.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._phase = CursorPhase(database)
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[OrgMember, _Answer]] = []
        self._lookups: set[asyncio.Task[None]] = set()

    async def require_finished(self) -> None:
        """Return once there are counts. Raises Migrating."""
        await self._phase.require_finished()

    async def of(self, member: OrgMember) -> UnreadState:
        """What the member has not read, from one snapshot that is taken after the call has begun.

        Raises:
            Migrating: the upgrade to read cursors is not finished.
        """
        await self._phase.require_finished()
        answer: _Answer = self._loop.create_future()
        self._waiting.append((member, answer))
        if len(self._lookups) < LOOKUPS:
            self._start_lookup()
        return await answer or await self._alone(member)

    def _start_lookup(self) -> None:
        # In a context of its own: a look-up inherits no call's deadline.
        task = self._loop.create_task(self._look_up_all(), context=Context())
        self._lookups.add(task)
        task.add_done_callback(self._lookup_ended)

    def _lookup_ended(self, task: asyncio.Task[None]) -> None:
        self._lookups.discard(task)
        # One that a library cancelled leaves calls behind.
        if self._waiting:
            self._start_lookup()

    async def _look_up_all(self) -> None:
        while self._waiting:
            batch = [(member, answer) for member, answer in self._waiting[:MEMBERS_PER_LOOKUP] if not answer.done()]
            del self._waiting[:MEMBERS_PER_LOOKUP]
            if batch:
                await self._look_up(batch)

    async def _look_up(self, batch: Sequence[tuple[OrgMember, _Answer]]) -> None:
        """Tell everybody. A database that fails one statement would fail hundreds, so nobody asks alone then."""
        states: list[UnreadState | None] = [None] * len(batch)
        waiting = [answer for _, answer in batch]
        try:
            with deadline.within(deadline.CALL_SECONDS):
                states = await self._database.run(
                    lambda connection: _states(connection, [member for member, _ in batch]), repeatable=True
                )
        except Exception as error:
            for answer in waiting:
                if not answer.done():
                    answer.set_exception(error)
        finally:
            # Also of a look-up that a library has cancelled.
            for answer, state in zip(waiting, states, strict=True):
                if not answer.done():
                    answer.set_result(state)

    async def _alone(self, member: OrgMember) -> UnreadState:
        async def work(connection: Connection) -> UnreadState:
            while True:
                (state,) = await _states(connection, [member])
                if state is not None:
                    return state
                await settle(connection, member)

        return await self._database.run(work, repeatable=True)


async def _states(connection: Connection, members: Sequence[OrgMember]) -> list[UnreadState | None]:
    """Of each member; None for one whose cursor has to be settled."""
    places = sorted(range(len(members)), key=lambda place: members[place].org_key)
    asked = [members[place] for place in places]
    org_keys = [member.org_key for member in asked]
    rows = await connection.rows_of(UNREAD_COUNTS, org_keys, [member.member_key for member in asked])
    states = dict(zip(places, map(_state, rows), strict=True))
    return [states[place] for place in range(len(members))]


def _state(row: Row) -> UnreadState | None:
    return None if row["behind"] else UnreadState(row["unread"], row["head"], row["version"])
