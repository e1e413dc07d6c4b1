"""Somebody comes back to 150,000 unseen notifications."""

import pytest

from readstate.store.pool import Database
from tests.notifications.conftest import Caller

MANY = 150_000
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


@pytest.fixture
async def many_unseen(ada: Caller, database: Database) -> None:
    for first in range(1, MANY + 1, STEP):
        await database.rows(LOAD, first, first + STEP - 1, repeatable=False)
    for statement in LOAD_STREAM, LOAD_CURSOR:
        await database.rows(statement, MANY, repeatable=False)


@pytest.mark.alone
@pytest.mark.parametrize("key", [None, "a-key"], ids=["without a key", "with a key"])
async def test_all_are_marked_as_seen_within_one_call(many_unseen: None, ada: Caller, key: str | None) -> None:
    reply = await ada.call("MarkAllNotificationsSeen", key=key)
    assert reply.changed_count == MANY
    assert (await ada.call("GetUnreadSummary")).unseen_count == 0
