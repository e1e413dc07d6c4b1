"""System events: what organisations' streams hold."""

from collections.abc import Callable, Sequence
from typing import Final

from readstate.errors import OutOfTime, ReadStateError
from readstate.model import KeyedRequest, NewSystemEvent
from readstate.store.failures import ConnectionLost
from readstate.store.idempotency import Reply
from readstate.store.organizations import Organization, OrganizationGone, org_keys
from readstate.store.pool import Connection, Database
from readstate.store.record_lane import MOST_EVENTS, Keyed, Outcome, Record, Recorded, RecordLane, RolledBack
from readstate.store.recording import record_all

MOST_REMEMBERED: Final = 100_000
"""Organisations whose keys are remembered."""


class EventStore:
    """The event table. Raises as `Database.run`. Calls at the same time share transactions: see RecordLane."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lane = RecordLane(self._record_together)
        self._org_keys: dict[str, int] = {}

    async def record(self, org_id: str, events: Sequence[NewSystemEvent]) -> list[int]:
        """Append the events to the organisation's stream, all or none; return their ids in order.

        An id that the organisation has already is left as it is. Safe to repeat only if every event brings its id.

        Raises:
            EventIdsExhausted: an id must be assigned and none is left.
            Overloaded: too many calls wait.
        """
        return (await self._record(org_id, Record(events))).event_ids

    async def record_once(
        self,
        org_id: str,
        events: Sequence[NewSystemEvent],
        request: KeyedRequest,
        reply: Callable[[list[int]], bytes],
    ) -> Reply:
        """As `record`, and keep `reply` of the ids; or return the reply that is kept. Always safe to repeat.

        Raises:
            IdempotencyKeyReused, IdempotencyKeyInUse: as IdempotencyStore.once; and as `record`.
        """
        recorded = await self._record(org_id, Record(events, Keyed(request, reply)))
        return Reply(recorded.reply, recorded.replayed)

    async def drain(self) -> None:
        """Wait for records in flight, also those whose callers have left."""
        await self._lane.drain()

    async def _record(self, org_id: str, record: Record) -> Recorded:
        organization = await self._organization(org_id)
        outcome: Outcome | None = None
        if not self._database.joined and len(record.events) <= MOST_EVENTS:
            outcome = await self._lane.submit(organization, record)
        if outcome is None:
            outcome = await self._record_somewhere(org_id, record)
        if isinstance(outcome, ReadStateError):
            raise outcome
        return outcome

    async def _organization(self, org_id: str) -> Organization:
        if org_id not in self._org_keys:
            # Not remembered where it is made in a transaction that may yet be rolled back.
            found = await self._database.run(lambda connection: org_keys(connection, [org_id]), repeatable=True)
            if self._database.joined:
                return Organization(found[org_id], org_id)
            if len(self._org_keys) >= MOST_REMEMBERED:
                self._org_keys.clear()
            self._org_keys |= found
        return Organization(self._org_keys[org_id], org_id)

    async def _record_somewhere(self, org_id: str, record: Record) -> Outcome:
        try:
            return await self._record_alone(await self._organization(org_id), record)
        except OrganizationGone:
            # What comes now is of another organisation with the same name.
            self._org_keys.pop(org_id, None)
            return await self._record_alone(await self._organization(org_id), record)

    async def _record_alone(self, organization: Organization, record: Record) -> Outcome:
        async def work(connection: Connection) -> Outcome:
            async with connection.transaction():
                return (await record_all(connection, organization, [record]))[0]

        return await self._database.run(work, repeatable=record.repeatable)

    async def _record_together(self, organization: Organization, batch: Sequence[Record]) -> list[Outcome]:
        committing = False

        async def work(connection: Connection) -> list[Outcome]:
            nonlocal committing
            committing = False
            async with connection.transaction():
                outcomes = await record_all(connection, organization, batch)
                committing = True
            return outcomes

        try:
            return await self._database.run(work, repeatable=False)
        except ReadStateError as error:
            # The server rolls back what it was not told to commit, and what it answers with an error.
            if committing and isinstance(error, (ConnectionLost, OutOfTime)):
                raise
            raise RolledBack(error) from error
