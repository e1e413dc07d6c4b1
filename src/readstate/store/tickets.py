"""Tickets that open a stream in place of a token. Only their hashes are kept."""

from typing import Final

from readstate.model import Claims, TicketClaims
from readstate.store.pool import Database

INSERT_TICKET: Final = """
INSERT INTO watch_ticket (ticket_sha256, token_sha256, user_id, org_id, scopes, token_expires_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING
"""

# What deletes it has redeemed it: nobody else can. The database's clock has issued it, and ends it.
REDEEM_TICKET: Final = """
DELETE FROM watch_ticket WHERE ticket_sha256 = $1
RETURNING token_sha256, user_id, org_id, scopes, token_expires_at,
          issued_at > now() - make_interval(secs => $2::int) AS fresh
"""

# From the index on the time.
DELETE_EXPIRED_TICKETS: Final = """
DELETE FROM watch_ticket
 WHERE ticket_sha256 = ANY (ARRAY (
    SELECT ticket_sha256 FROM watch_ticket WHERE issued_at <= now() - make_interval(secs => $1::int)
     ORDER BY issued_at LIMIT $2))
RETURNING 1
"""

ROWS_PER_BATCH: Final = 5_000


class TicketStore:
    """The ticket table. Raises as `Database.run`."""

    def __init__(self, database: Database, seconds: int) -> None:
        """A ticket can be redeemed for `seconds`."""
        self._database = database
        self._seconds = seconds

    async def add(self, ticket_sha256: bytes, token_sha256: bytes, claims: Claims) -> None:
        """Keep a ticket for whoever has these claims. Safe to repeat."""
        fields = claims.user_id, claims.org_id, sorted(claims.scopes), claims.expires_at
        await self._database.rows(INSERT_TICKET, ticket_sha256, token_sha256, *fields, repeatable=True)

    async def redeem(self, ticket_sha256: bytes) -> TicketClaims | None:
        """What the ticket's token said, once; None if there is no such ticket, or not any more.

        Not safe to repeat: what broke off may have redeemed it.
        """
        rows = await self._database.rows(REDEEM_TICKET, ticket_sha256, self._seconds, repeatable=False)
        if not rows or not rows[0]["fresh"]:
            return None
        (row,) = rows
        return TicketClaims(
            user_id=row["user_id"],
            org_id=row["org_id"],
            scopes=frozenset(row["scopes"]),
            expires_at=row["token_expires_at"],
            token_sha256=row["token_sha256"],
        )

    async def sweep(self) -> None:
        """Delete tickets that nobody has redeemed in time."""
        await self._database.delete(DELETE_EXPIRED_TICKETS, self._seconds, batch=ROWS_PER_BATCH)
