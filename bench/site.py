"""What every contender is told: where the database is, which statements to run, and how tokens are signed."""

import secrets
from dataclasses import dataclass, field
from typing import Final

from bench.database import Database
from readstate.config import TokenSettings, load
from readstate.identity.tokens import sign
from readstate.store.inbox.count import UNREAD_COUNTS
from readstate.store.marks import sql

ISSUER: Final = "bench"
AUDIENCE: Final = "readstate"
TOKEN_SECONDS: Final = 3600


@dataclass(frozen=True)
class Site:
    database: Database
    secret: str = field(default_factory=lambda: secrets.token_hex(32))

    def token(self, user_id: str, *, scope: str = "") -> str:
        settings = load(TokenSettings, token_secret=self.secret, token_issuer=ISSUER, token_audience=AUDIENCE)
        return sign(settings, user=user_id, scope=scope, expires_in=TOKEN_SECONDS)

    def for_readstate(self) -> dict[str, str]:
        return {
            "READSTATE_DATABASE_URL": self.database.url,
            "READSTATE_TOKEN_SECRET": self.secret,
            "READSTATE_TOKEN_ISSUER": ISSUER,
            "READSTATE_TOKEN_AUDIENCE": AUDIENCE,
            # No peer writes an access log.
            "READSTATE_LOG_LEVEL": "warning",
            "READSTATE_DRAIN_DELAY": "0",
            "READSTATE_DRAIN_GRACE": "1",
        }

    def for_peer(self, port: int, connections: int) -> dict[str, str]:
        return {
            **self.database.environment,
            "BENCH_LISTEN": f"127.0.0.1:{port}",
            "BENCH_CONNECTIONS": str(connections),
            "BENCH_MARK_READ": sql.MARK_READ,
            "BENCH_UNREAD_COUNTS": UNREAD_COUNTS.together,
            "BENCH_SECRET": self.secret,
            "BENCH_ISSUER": ISSUER,
            "BENCH_AUDIENCE": AUDIENCE,
            "NODE_ENV": "production",
        }
