"""The checker itself: green on what the service does, red on what is planted."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace

import asyncpg
import pytest

from readstate.client import ReadState
from readstate.model import MarkResult
from tests.chaos.checker import faults
from tests.chaos.history import CreateCall, Ending, History, MarkCall
from tests.chaos.load import Load
from tests.chaos.stored import ReadEvent, Stored, StoredNotification, Unread, read_back
from tests.chaos.world import two_organizations
from tests.conftest import ClientFor

WORLD = two_organizations()
ADA, BOB = "acme-toggler-0", "globex-reader-0"
FOREIGN, MISSING = 100_001, 900_000


def call(
    begun: float, told: float | None, *event_ids: int, read: bool = True, changed: int = 0, user: str = ADA
) -> MarkCall:
    """A call that was acknowledged at `told`, or of which nobody knows the end."""
    own = len({i for i in event_ids if i in WORLD.of[user].events})
    result, ending = (None, Ending.UNKNOWN) if told is None else (MarkResult(changed, own), Ending.ACKNOWLEDGED)
    return MarkCall(user_id=user, begun=begun, told=told, ending=ending, read=read, event_ids=event_ids, result=result)


def judged(*calls: MarkCall, read: set[int]) -> set[str]:
    """The kinds of fault, where ADA has read these events in the end."""
    stored = Stored([ReadEvent(ADA, event_id, own=True) for event_id in read], [], [])
    return {fault.split(":")[0] for fault in faults(History(marks=list(calls)), stored, WORLD)}


# ── What is read in the end ──────────────────────────────────────────────────────────────────────────────────────────


def test_an_acknowledged_mark_has_to_be_there() -> None:
    assert judged(call(1, 2, 7, changed=1), read={7}) == set()
    assert judged(call(1, 2, 7, changed=1), read=set()) == {"lost"}


def test_an_acknowledged_unmark_has_to_stay() -> None:
    both = call(1, 2, 7), call(3, 4, 7, read=False)
    assert judged(*both, read=set()) == set()
    assert judged(*both, read={7}) == {"phantom"}


def test_calls_that_overlap_may_end_either_way() -> None:
    both = call(1, 4, 7), call(3, 6, 7, read=False)
    assert judged(*both, read=set()) == set()
    assert judged(*both, read={7}) == set()


def test_the_same_value_written_again_later_is_no_phantom() -> None:
    calls = call(1, 2, 7), call(3, 4, 7, read=False), call(5, 6, 7)
    assert judged(*calls, read={7}) == set()
    assert judged(*calls, read=set()) == {"lost"}


def test_an_unknown_call_may_take_effect_late_or_never() -> None:
    assert judged(call(1, None, 7), read=set()) == set()
    assert judged(call(1, None, 7), read={7}) == set()
    assert judged(call(1, None, 7), call(3, 4, 7, read=False), read={7}) == set()


def test_an_unknown_call_excuses_no_other_value() -> None:
    assert judged(call(1, None, 7), call(3, 4, 7), read=set()) == {"lost"}


def test_what_nobody_marked_is_a_phantom() -> None:
    assert judged(call(1, 2, 7), read={7, 8}) == {"phantom"}


def test_a_refused_call_has_no_effect() -> None:
    refused = replace(call(1, None, 7), ending=Ending.REFUSED, told=2)
    assert judged(refused, read=set()) == set()
    assert judged(refused, read={7}) == {"phantom"}


def test_only_an_acknowledged_call_is_ever_over() -> None:
    assert call(1, 2, 7).over == 2
    assert call(1, None, 7).over == math.inf
    assert replace(call(1, 2, 7), ending=Ending.UNKNOWN).over == math.inf


def test_what_is_unrecorded_of_one_member_excuses_no_other() -> None:
    read = [ReadEvent(ADA, 7, own=True), ReadEvent("acme-reader-0", 8, own=True)]
    found = faults(History(), Stored(read, [], []), WORLD, unrecorded=[ADA])
    assert found == ["phantom: acme-reader-0 has read 8"]
    twice = faults(History(), Stored([read[0]] * 2, [], []), WORLD, unrecorded=[ADA])
    assert twice == [f"twice: {ADA} has read 7 in 2 places"]


# ── Counts ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_foreign_and_missing_ids_match_nothing() -> None:
    right = call(1, 2, 7, 7, 8, FOREIGN, MISSING, -1)
    assert judged(right, read={7, 8}) == set()
    assert judged(replace(right, result=MarkResult(0, 3)), read={7, 8}) == {"matched"}


def test_a_mark_is_counted_once() -> None:
    assert judged(call(1, 2, 7, changed=1), call(1, 2, 7), read={7}) == set()
    assert judged(call(1, 2, 7, changed=1), call(1, 2, 7, changed=1), read={7}) == {"counted"}


def test_a_mark_that_was_taken_back_may_be_counted_again() -> None:
    calls = [call(1, 2, 7, changed=1), call(3, 4, 7, changed=1)]
    assert judged(*calls, call(2.5, None, 7, read=False), read={7}) == set()
    assert judged(*calls, read={7}) == {"counted"}


def test_no_more_can_change_than_matched() -> None:
    assert "changed" in judged(call(1, 2, 7, changed=2), read={7})


def test_an_unread_count_is_that_of_a_full_scan() -> None:
    assert faults(History(), Stored([], [Unread(ADA, 5, 5)], []), WORLD) == []
    assert faults(History(), Stored([], [Unread(ADA, 5, 6)], []), WORLD) != []


def test_a_position_is_read_in_one_place() -> None:
    twice = Stored([ReadEvent(ADA, 7, own=True)] * 2, [], [])
    assert [f.split(":")[0] for f in faults(History(marks=[call(1, 2, 7)]), twice, WORLD)] == ["twice"]


# ── Organisations ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "read", [ReadEvent(ADA, FOREIGN, own=False), ReadEvent(None, 7, own=True), ReadEvent(ADA, None, own=True)]
)
def test_what_lies_elsewhere_is_a_stranger(read: ReadEvent) -> None:
    kinds = {fault.split(":")[0] for fault in faults(History(), Stored([read], [], []), WORLD)}
    assert "stranger" in kinds


# ── Idempotency keys ─────────────────────────────────────────────────────────────────────────────────────────────────


def created(*ids: str, ending: Ending = Ending.ACKNOWLEDGED) -> CreateCall:
    return CreateCall(
        user_id="producer",
        begun=1,
        told=2,
        ending=ending,
        key="k",
        org_id="acme",
        recipients=(ADA, BOB, "nobody"),
        ids=ids,
    )


def notification(name: str = "nf_1", *, seq: int = 1, user: str = ADA, own: bool = True) -> StoredNotification:
    return StoredNotification(title="k", id=name, seq=seq, user_id=user, org_id="acme", own=own)


def keys_judged(*calls: CreateCall, found: list[StoredNotification]) -> list[str]:
    return faults(History(creations=list(calls)), Stored([], [], found), WORLD)


def test_a_key_has_one_effect_however_often_it_is_sent() -> None:
    unknown = created(ending=Ending.UNKNOWN)
    assert keys_judged(unknown, created("nf_1"), created("nf_1"), found=[notification()]) == []
    assert keys_judged(unknown, unknown, found=[notification()]) == []
    assert keys_judged(unknown, unknown, found=[]) == []


@pytest.mark.parametrize(
    ("calls", "found"),
    [
        ([created("nf_1")], [notification(), notification("nf_2", seq=2)]),  # a double effect
        ([created("nf_1")], []),  # a lost one
        ([created("nf_1"), created("nf_2")], [notification()]),  # two answers
        ([created(ending=Ending.REFUSED)], [notification()]),  # one that was refused
        ([created("nf_1")], [notification(user=BOB)]),  # to another organisation's member
        ([created("nf_1")], [notification(own=False)]),
        ([], [notification()]),  # of nobody's call
    ],
)
def test_any_other_effect_is_a_fault(calls: list[CreateCall], found: list[StoredNotification]) -> None:
    assert keys_judged(*calls, found=found) != []


# ── On a real database ───────────────────────────────────────────────────────────────────────────────────────────────

PLANTED = {
    "lost": """
        DELETE FROM read_mark WHERE (member_key, seq) IN (
            SELECT member_key, seq FROM read_mark JOIN member USING (member_key)
             WHERE user_id = 'acme-reader-0' LIMIT 1)""",
    "phantom": """
        INSERT INTO read_mark (member_key, org_key, seq)
        SELECT m.member_key, m.org_key, s FROM member m, generate_series(1, 2000) s WHERE m.user_id = 'acme-reader-0'
        ON CONFLICT DO NOTHING""",
    "unread count": "UPDATE read_cursor SET read_count = read_count + 1 WHERE read_count > 0",
    "twice": """
        UPDATE read_cursor c SET all_read = int4multirange(int4range(m.seq, m.seq + 1))
          FROM read_mark m WHERE (m.member_key, m.org_key) = (c.member_key, c.org_key)""",
    "stranger": """
        INSERT INTO read_mark (member_key, org_key, seq)
        SELECT m.member_key, e.org_key, e.seq FROM member m, system_event e
         WHERE m.user_id = 'acme-reader-0' AND e.org_key <> m.org_key LIMIT 1""",
    "key acme-0": """
        INSERT INTO notification
              (member_key, seq, created_at, updated_at, org_key, id, category, title, priority)
        SELECT member_key, seq + 1000, created_at, updated_at, org_key, id || '2', category, title, priority
          FROM notification WHERE title = 'acme-0'""",
}


@pytest.fixture
def load_for(client_for: ClientFor, producer: ReadState) -> Callable[[float], Awaitable[History]]:
    """Runs the load on the server for some seconds, after its world is made."""

    async def load_for(seconds: float) -> History:
        history = History()
        await WORLD.make(producer)
        load = Load(WORLD, lambda user: client_for(user, scope="messaging:write"), history)
        async with load.running():
            await asyncio.sleep(seconds)
        return history

    return load_for


async def test_a_load_is_borne_out_and_what_is_planted_is_found(
    load_for: Callable[[float], Awaitable[History]], database_url: str
) -> None:
    history = await load_for(1.5)
    assert len(history.marks) > 100
    assert {call.ending for call in history.calls} == {Ending.ACKNOWLEDGED}
    connection = await asyncpg.connect(database_url)
    try:
        assert faults(history, await read_back(connection), WORLD) == []
        for kind, statement in PLANTED.items():
            transaction = connection.transaction(isolation="repeatable_read")
            await transaction.start()
            await connection.execute(statement)
            kinds = {fault.split(":")[0] for fault in faults(history, await read_back(connection), WORLD)}
            assert kind in kinds
            await transaction.rollback()
    finally:
        await connection.close()
