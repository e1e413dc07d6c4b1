"""Somebody comes back to 150,000 unseen notifications."""

from contextlib import suppress

import grpc
import pytest

from readstate.store.pool import Database
from tests.notifications.conftest import Caller

MANY = 150_000
KEYED = 50_000
"""With a key all of it is one transaction, within the time of one call. 150,000 take 2 s on a quiet machine."""
STEP = 25_000

LOAD = """
INSERT INTO notification (member_key, org_key, seq, created_at, updated_at, id, category, title, priority)
SELECT member_key, org_key, n, now(), now(), 'nf_' || to_char(n, 'FM000000000000'), 'chat.message', 'Hello', 'normal'
  FROM member, generate_series($1::int, $2::int) AS n
 WHERE user_id = 'ada'
"""
LOAD_STREAM = "INSERT INTO notification_stream (org_key, last_seq) SELECT org_key, $1 FROM member WHERE user_id = 'ada'"
LOAD_CURSOR = """
INSERT INTO notification_cursor (org_key, member_key, version, unseen, unread)
SELECT org_key, member_key, 1, $1, $1 FROM member WHERE user_id = 'ada'
"""


async def load(database: Database, number: int) -> None:
    for first in range(1, number + 1, STEP):
        await database.rows(LOAD, first, first + STEP - 1, repeatable=False)
    for statement in LOAD_STREAM, LOAD_CURSOR:
        await database.rows(statement, number, repeatable=False)


@pytest.mark.alone
async def test_all_are_marked_as_seen(ada: Caller, database: Database) -> None:
    await load(database, MANY)
    left = MANY
    while left:
        # One call is enough on a quiet machine. On a busy one each does a part.
        with suppress(grpc.aio.AioRpcError):
            await ada.call("MarkAllNotificationsSeen")
        before, left = left, (await ada.call("GetUnreadSummary")).unseen_count
        assert left <= before - STEP


@pytest.mark.alone
async def test_all_are_marked_as_seen_once_with_a_key(ada: Caller, database: Database) -> None:
    await load(database, KEYED)
    for _ in range(2):
        assert (await ada.call("MarkAllNotificationsSeen", key="a-key")).changed_count == KEYED
    assert (await ada.call("GetUnreadSummary")).unseen_count == 0
