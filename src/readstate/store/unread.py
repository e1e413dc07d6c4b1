"""What watched members have not read: asked for all of them at once, and only what differs from what is known."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from readstate.errors import MemberMoved, NoOrganization, ReadStateError, UnknownUser
from readstate.model import InboxState, OrgMember, UnreadState, UnreadSummary
from readstate.store.by_organization import by_organization
from readstate.store.pool import Connection, Database, Row
from readstate.store.read_cursor.lock import settle
from readstate.store.read_cursor.phase import CursorPhase

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

# The same for the members of one organisation: $2 and $3 are what is known of it.
FIND_CHANGED_OF_ONE: Final = """
SELECT i.place, s.last_seq AS head, s.pruned_seq,
       s.last_seq - coalesce(c.read_count, s.pruned_seq) AS unread, coalesce(c.version, 0) AS version,
       coalesce(c.pruned_seq < s.pruned_seq, false) AS behind,
       coalesce(n.unseen, 0) AS unseen_notifications, coalesce(n.unread, 0) AS unread_notifications,
       coalesce(n.version, 0) AS notifications_version
  FROM event_stream s
 CROSS JOIN unnest($4::int[], $5::bigint[], $6::bigint[], $7::bigint[])
            AS i (place, member_key, version, notifications_version)
  LEFT JOIN LATERAL (
    SELECT version, read_count, pruned_seq FROM read_cursor c
     WHERE c.org_key = $1 AND c.member_key = i.member_key OFFSET 0) c ON true
  LEFT JOIN LATERAL (
    SELECT version, unseen, unread FROM notification_cursor n
     WHERE n.org_key = $1 AND n.member_key = i.member_key OFFSET 0) n ON true
 WHERE s.org_key = $1
   AND (s.last_seq <> $2::int OR s.pruned_seq <> $3::int
        OR coalesce(c.version, 0) <> i.version OR coalesce(n.version, 0) <> i.notifications_version
        OR c.pruned_seq < s.pruned_seq)
"""

# Those who are not where they were. Where organisations come from tokens ($3), only who is removed.
FIND_GONE: Final = """
SELECT i.place, m.member_key IS NULL OR m.removed_at IS NOT NULL AS removed, m.org_key
  FROM unnest($1::int[], $2::bigint[]) WITH ORDINALITY AS i (org_key, member_key, place)
  LEFT JOIN LATERAL (
    SELECT member_key, org_key, removed_at FROM member m WHERE m.member_key = i.member_key OFFSET 0) m ON true
 WHERE m.member_key IS NULL OR m.removed_at IS NOT NULL OR (NOT $3 AND m.org_key IS DISTINCT FROM i.org_key)
"""


class Known(NamedTuple):
    """What is known of a member."""

    member: OrgMember
    state: InboxState | None = None
    pruned_seq: int = -1
    """Of the organisation, when the state was read. A count may change with it and with nothing else."""


class Question:
    """What is known of some members, written down for the database. Where it is the same it is asked again as it is."""

    __slots__ = ("columns", "known")

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
            ask = _ask_together if connection.batch == "mixed" else _ask_each
            rows = await ask(connection, question)
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


async def _ask_together(connection: Connection, question: Question) -> list[Row]:
    return await connection.rows(FIND_CHANGED, *question.columns)


async def _ask_each(connection: Connection, question: Question) -> list[Row]:
    org_keys, heads, pruned_seqs, organizations, *of_members = question.columns
    places = range(1, len(question.known) + 1)
    rows: list[Row] = []
    for place, columns in by_organization(organizations, [places, *of_members]):
        stream = org_keys[place - 1], heads[place - 1], pruned_seqs[place - 1]
        rows += await connection.rows(FIND_CHANGED_OF_ONE, *stream, *columns)
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
