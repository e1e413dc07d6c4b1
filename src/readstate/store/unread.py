"""What watched members have not read: asked for all of them at once, and only what differs from what is known."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from readstate.errors import MemberMoved, NoOrganization, ReadStateError, UnknownUser
from readstate.model import InboxState, OrgMember, UnreadState, UnreadSummary
from readstate.store.by_organization import by_organization
from readstate.store.pool import Connection, Database, Row
from readstate.store.read_cursor.lock import settle
from readstate.store.read_cursor.phase import CursorPhase

# For the transaction only: the plans of the statements below are made without reading a table from end to end. A small
# table seems cheap to read, but it was read once for each member: with 200 rows a question for a thousand of them took
# 14 ms instead of 2. And a plan that was made while a table was empty stays as it is while the table grows.
BY_INDEX: Final = "SELECT set_config('enable_seqscan', 'off', true)"

# One snapshot for all: a cursor that is newer than the `last_seq` beside it would make a count negative. Two look-ups
# by key for each member, whatever the planner believes of the arrays, and one for each organisation: with one of a
# small table for each member it took 2.3 times as long. $1 to $3 are organisations and what is known of them, $4 the
# place of each member's organisation there, $5 to $7 members and what is known of them. All members are returned of an
# organisation that differs, and of another one those who differ.
FIND_CHANGED: Final = """
WITH stream AS MATERIALIZED (
    SELECT array_agg(s.last_seq ORDER BY i.place) AS last_seq, array_agg(s.pruned_seq ORDER BY i.place) AS pruned_seq,
           array_agg(s.last_seq <> i.head OR s.pruned_seq <> i.pruned_seq ORDER BY i.place) AS differs
      FROM unnest($1::int[], $2::int[], $3::int[]) WITH ORDINALITY AS i (org_key, head, pruned_seq, place)
      LEFT JOIN LATERAL (
        SELECT last_seq, pruned_seq FROM event_stream s WHERE s.org_key = i.org_key OFFSET 0) s ON true)
SELECT i.place, s.last_seq[i.org] AS head, s.pruned_seq[i.org] AS pruned_seq,
       s.last_seq[i.org] - coalesce(c.read_count, s.pruned_seq[i.org]) AS unread, coalesce(c.version, 0) AS version,
       coalesce(c.pruned_seq < s.pruned_seq[i.org], false) AS behind,
       coalesce(n.unseen, 0) AS unseen_notifications, coalesce(n.unread, 0) AS unread_notifications,
       coalesce(n.version, 0) AS notifications_version
  FROM unnest($4::int[], $5::bigint[], $6::bigint[], $7::bigint[])
       WITH ORDINALITY AS i (org, member_key, version, notifications_version, place)
 CROSS JOIN stream s
  LEFT JOIN LATERAL (
    SELECT version, read_count, pruned_seq FROM read_cursor c
     WHERE c.org_key = ($1::int[])[i.org] AND c.member_key = i.member_key OFFSET 0) c ON true
  LEFT JOIN LATERAL (
    SELECT version, unseen, unread FROM notification_cursor n
     WHERE n.org_key = ($1::int[])[i.org] AND n.member_key = i.member_key OFFSET 0) n ON true
 WHERE s.differs[i.org] OR coalesce(c.version, 0) <> i.version OR coalesce(n.version, 0) <> i.notifications_version
    OR c.pruned_seq < s.pruned_seq[i.org]
"""

# The same for the members of one organisation: $2 and $3 are what is known of it. Each table is read once for all of
# them, which takes half as long as two look-ups for each. A full join is never a loop over the rows of both sides,
# however few the planner believes them to be. OFFSET 0 keeps it one: outside, `place` would make it a left join.
FIND_CHANGED_OF_ONE: Final = """
SELECT i.place, s.last_seq AS head, s.pruned_seq,
       s.last_seq - coalesce(i.read_count, s.pruned_seq) AS unread, coalesce(i.read_version, 0) AS version,
       coalesce(i.read_pruned_seq < s.pruned_seq, false) AS behind,
       coalesce(i.unseen, 0) AS unseen_notifications, coalesce(i.unread, 0) AS unread_notifications,
       coalesce(i.notified_version, 0) AS notifications_version
  FROM event_stream s
 CROSS JOIN (
    SELECT i.place, i.version, i.notifications_version,
           c.version AS read_version, c.read_count, c.pruned_seq AS read_pruned_seq,
           n.version AS notified_version, n.unseen, n.unread
      FROM unnest($4::int[], $5::bigint[], $6::bigint[], $7::bigint[])
           AS i (place, member_key, version, notifications_version)
      FULL JOIN (
        SELECT member_key, version, read_count, pruned_seq FROM read_cursor
         WHERE org_key = $1 AND member_key = ANY ($5::bigint[])) c ON c.member_key = i.member_key
      FULL JOIN (
        SELECT member_key, version, unseen, unread FROM notification_cursor
         WHERE org_key = $1 AND member_key = ANY ($5::bigint[])) n ON n.member_key = i.member_key
    OFFSET 0) i
 WHERE s.org_key = $1 AND i.place IS NOT NULL
   AND (s.last_seq <> $2::int OR s.pruned_seq <> $3::int
        OR coalesce(i.read_version, 0) <> i.version OR coalesce(i.notified_version, 0) <> i.notifications_version
        OR i.read_pruned_seq < s.pruned_seq)
"""

# Those who are not where they were. Where organisations come from tokens ($3), only who is removed.
FIND_GONE: Final = """
SELECT i.place, m.member_key IS NULL OR m.removed_at IS NOT NULL AS removed, m.org_key
  FROM unnest($1::int[], $2::bigint[]) WITH ORDINALITY AS i (org_key, member_key, place)
  LEFT JOIN LATERAL (
    SELECT member_key, org_key, removed_at FROM member m WHERE m.member_key = i.member_key OFFSET 0) m ON true
 WHERE m.member_key IS NULL OR m.removed_at IS NOT NULL OR (NOT $3 AND m.org_key IS DISTINCT FROM i.org_key)
"""


CROWD: Final = 250
"""Members of one organisation, on an average. For so many a statement of their own is cheaper."""


class Known(NamedTuple):
    """What is known of a member."""

    member: OrgMember
    state: InboxState | None = None
    pruned_seq: int = -1
    """Of the organisation, when the state was read. A count may change with it and with nothing else."""


class Question:
    """What is known of some members, written down for the database. Where it is the same it is asked again as it is."""

    __slots__ = ("_by_organization", "columns", "crowded", "known")

    def __init__(self, known: Sequence[Known]) -> None:
        self.known = known
        streams = _streams(known)
        places = {org_key: place for place, org_key in enumerate(streams, 1)}
        self.columns = (
            list(streams),
            [head for head, _ in streams.values()],
            [pruned_seq for _, pruned_seq in streams.values()],
            [places[member.org_key] for member, _, _ in known],
            [member.member_key for member, _, _ in known],
            [-1 if state is None else state.events.version for _, state, _ in known],
            [-1 if state is None else state.versions[2] for _, state, _ in known],
        )
        self.crowded = len(known) >= CROWD * len(streams)
        """Whether each organisation is asked for by itself."""
        self._by_organization: list[tuple[object, ...]] = []

    def by_organization(self) -> list[tuple[object, ...]]:
        """The arguments of FIND_CHANGED_OF_ONE, for each organisation."""
        if not self._by_organization:
            org_keys, heads, pruned_seqs, organizations, *of_members = self.columns
            places = range(1, len(self.known) + 1)
            self._by_organization = [
                (org_keys[org - 1], heads[org - 1], pruned_seqs[org - 1], *columns)
                for org, columns in by_organization(organizations, [places, *of_members])
            ]
        return self._by_organization


class UnreadStates:
    """States of members. Raises as `Database.run`."""

    def __init__(self, database: Database, *, organization_from_claims: bool = False) -> None:
        """`organization_from_claims`: as for InboxStore."""
        self._database = database
        self._phase = CursorPhase(database)
        self._organization_from_claims = organization_from_claims

    async def require_finished(self) -> None:
        """Return once there are states. Raises Migrating."""
        await self._phase.require_finished()

    async def changed(self, question: Question) -> dict[OrgMember, Known]:
        """What is to be known instead, from one snapshot that is taken after the call.

        States that are as they are known are left out, unless members of one organisation know different heads. One
        that has to be settled first is left out as well. It is settled then, and is there the next time.
        """
        known = question.known
        if not known:
            return {}

        async def work(connection: Connection) -> list[Row]:
            rows = await _ask(connection, question)
            for row in rows:
                if row["behind"]:
                    await settle(connection, known[row["place"] - 1].member)
            return rows

        rows = await self._database.run(work, repeatable=True)
        found = [(known[row["place"] - 1].member, row) for row in rows if not row["behind"]]
        return {member: Known(member, _state(row), row["pruned_seq"]) for member, row in found}

    async def gone(self, members: Sequence[OrgMember]) -> dict[OrgMember, ReadStateError]:
        """Those who are not members of their organisation any more, and what each of them is to be told."""
        keys = [member.org_key for member in members], [member.member_key for member in members]
        rows = await self._database.rows(FIND_GONE, *keys, self._organization_from_claims, repeatable=True)
        return {members[row["place"] - 1]: _reason(row) for row in rows}


async def _ask(connection: Connection, question: Question) -> list[Row]:
    if connection.batch == "organization":
        return await _ask_each(connection, question)  # shards would not hear of the setting
    ask = _ask_each if question.crowded else _ask_together
    async with connection.transaction():
        await connection.rows(BY_INDEX)
        return await ask(connection, question)


async def _ask_together(connection: Connection, question: Question) -> list[Row]:
    return await connection.rows(FIND_CHANGED, *question.columns)


async def _ask_each(connection: Connection, question: Question) -> list[Row]:
    rows: list[Row] = []
    for arguments in question.by_organization():
        rows += await connection.rows(FIND_CHANGED_OF_ONE, *arguments)
    return rows


def _streams(known: Sequence[Known]) -> dict[int, tuple[int, int]]:
    """Of each organisation the head and `pruned_seq` that all of these members know.

    Where they differ the head is -1: then each of them is told. A stream that opens may have read an older head than
    its neighbours know, and be published after they were.
    """
    streams: dict[int, tuple[int, int]] = {}
    for member, state, pruned_seq in known:
        stream = -1 if state is None else state.events.head, pruned_seq
        if streams.setdefault(member.org_key, stream) != stream:
            streams[member.org_key] = -1, -1
    return streams


def _state(row: Row) -> InboxState:
    return InboxState(
        UnreadState(row["unread"], row["head"], row["version"]),
        UnreadSummary(row["unseen_notifications"], row["unread_notifications"], row["notifications_version"]),
    )


def _reason(row: Row) -> ReadStateError:
    if row["removed"]:
        return UnknownUser()
    return NoOrganization() if row["org_key"] is None else MemberMoved()
