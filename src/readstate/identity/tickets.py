"""Tickets, which open one stream in place of a bearer token (docs/decisions/0023-live.md)."""

import hashlib
import re
import secrets
import time
from typing import Final

from readstate.errors import InvalidTicket
from readstate.identity.tokens import TokenVerifier
from readstate.model import Claims
from readstate.store.tickets import TicketStore

TICKET_SECONDS: Final = 60
"""How long a ticket can be redeemed."""
_BYTES: Final = 32
_SCHEME: Final = "Ticket "
_TICKET: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
"""32 bytes in base64url, without padding."""


class Tickets:
    """Issues tickets, and redeems them: a ticket in `authorization` is good for what its token was good for."""

    def __init__(self, store: TicketStore, verifier: TokenVerifier, leeway: float) -> None:
        """`leeway`: seconds that clocks may differ, as for the verifier."""
        self._store = store
        self._verifier = verifier
        self._leeway = leeway

    async def issue(self, claims: Claims, authorization: str) -> str:
        """A new ticket for the claims of this `authorization`. Raises as `Database.run`."""
        ticket = secrets.token_urlsafe(_BYTES)
        await self._store.add(_sha256(ticket), _sha256(authorization.partition(" ")[2]), claims)
        return ticket

    async def verify(self, authorization: str) -> Claims:
        """The claims of `authorization`, a token's or those of a ticket, which is redeemed.

        Raises:
            InvalidTicket: the ticket is unknown, used, or older than a minute.
            ReadStateError: as TokenVerifier.verify, and as `Database.run`.
        """
        if not authorization.startswith(_SCHEME):
            return await self._verifier.verify(authorization)
        ticket = authorization.removeprefix(_SCHEME)
        if _TICKET.fullmatch(ticket) is None:
            raise InvalidTicket
        claims = await self._store.redeem(_sha256(ticket))
        if claims is None or claims.expires_at + self._leeway <= time.time():
            raise InvalidTicket
        return claims


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode("ascii")).digest()
