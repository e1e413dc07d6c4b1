"""unseen → seen → read → dismissed, against a model."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from readstate.errors import NotificationNotFound
from readstate.model import Notification, NotificationQuery, OrgMember, Status
from readstate.store.notifications.store import NotificationStore
from readstate.store.pool import Database
from tests.notifications.rules import ACTIONS, CONTENT, ORDER, USERS, after, assert_times_in_order, members, times


@dataclass
class Model:
    """What a notification should be: which times are set."""

    owner: str
    set: frozenset[str] = frozenset()
    last: Notification | None = field(default=None, compare=False)

    def apply(self, action: str) -> None:
        self.set = after(self.set, action)

    @property
    def status(self) -> Status:
        return next((Status(name) for name in ("dismissed", "read", "seen") if name in self.set), Status.UNSEEN)


class Lifecycle(RuleBasedStateMachine):
    """Two members of one organisation, a growing list of notifications, any action on any of them."""

    run: Callable[[Coroutine[Any, Any, Any]], Any]
    store: NotificationStore
    members: dict[str, OrgMember]

    @initialize()
    def begin(self) -> None:
        # The database outlives an example: what earlier ones left lies behind this.
        self.model: dict[str, Model] = {}
        self.begun = {user: {n.id for status in Status for n in self.listed(user, status)} for user in USERS}

    @rule(users=st.sets(st.sampled_from(USERS), min_size=1))
    def create(self, users: set[str]) -> None:
        ids = self.run(self.store.create([self.members[user] for user in users], CONTENT))
        self.model |= {notification_id: Model(user) for user, notification_id in zip(users, ids, strict=True)}

    @rule(data=st.data(), action=st.sampled_from(ACTIONS), user=st.sampled_from(USERS))
    def act(self, data: st.DataObject, action: str, user: str) -> None:
        if not self.model:
            return
        notification_id = data.draw(st.sampled_from(sorted(self.model)))
        known = self.model[notification_id]
        acting = getattr(self.store, action)(self.members[user], notification_id)
        if known.owner != user:
            with pytest.raises(NotificationNotFound):
                self.run(acting)
            return
        known.apply(action)
        found = self.run(acting)
        assert found == self.run(self.store.find(self.members[user], notification_id))
        self.check(known, found)

    @rule(data=st.data(), user=st.sampled_from(USERS))
    def mark_all_seen(self, data: st.DataObject, user: str) -> None:
        own = [notification_id for notification_id, known in self.model.items() if known.owner == user]
        up_to = data.draw(st.sampled_from([None, *own]))
        marked = own if up_to is None else own[: own.index(up_to) + 1]
        expected = sum(self.model[notification_id].status is Status.UNSEEN for notification_id in marked)
        assert self.run(self.store.mark_all_seen(self.members[user], up_to)) == expected
        for notification_id in marked:
            self.model[notification_id].apply("mark_seen")

    def teardown(self) -> None:
        for user in USERS:
            self.run(self.store.mark_all_seen(self.members[user], None))
            for notification in self.listed(user, None):
                self.run(self.store.dismiss(self.members[user], notification.id))

    @invariant()
    def the_lists_and_the_summary_follow(self) -> None:
        for user in USERS:
            own = [(i, known) for i, known in reversed(self.model.items()) if known.owner == user]
            for status in (None, *Status):
                expected = [
                    i
                    for i, known in own
                    if known.status is status or (status is None and known.status is not Status.DISMISSED)
                ]
                listed = [n for n in self.listed(user, status) if n.id not in self.begun[user]]
                assert [n.id for n in listed] == expected
                for notification in listed:
                    self.check(self.model[notification.id], notification)
            summary = self.run(self.store.unread_summary(self.members[user]))
            statuses = [known.status for _, known in own]
            assert summary.unseen == statuses.count(Status.UNSEEN)
            assert summary.unread == summary.unseen + statuses.count(Status.SEEN)

    def listed(self, user: str, status: Status | None) -> list[Notification]:
        included = frozenset(("sender", "resource"))
        query = NotificationQuery(status, category=None, before=None, limit=10_000, included=included)
        notifications: list[Notification] = self.run(self.store.page(self.members[user], query)).notifications
        return notifications

    def check(self, known: Model, found: Notification) -> None:
        assert (times(found), found.status) == (known.set, known.status)
        assert_times_in_order(found)
        last, known.last = known.last, found
        if last is None:
            return
        assert ORDER.index(found.status) >= ORDER.index(last.status)
        for name in ("seen_at", "read_at", "dismissed_at"):
            assert getattr(last, name) in (None, getattr(found, name)), "the first time wins"
        if times(last) == times(found):
            assert found == last, "a repeated call changes nothing"


async def test_every_history_ends_as_the_rules_say(database: Database, store: NotificationStore) -> None:
    loop = asyncio.get_running_loop()
    Lifecycle.run = staticmethod(lambda acting: asyncio.run_coroutine_threadsafe(acting, loop).result())
    Lifecycle.store = store
    Lifecycle.members = await members(database)
    limits = settings(max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))
    # hypothesis is not asynchronous: its thread hands over what is to be awaited.
    await asyncio.to_thread(run_state_machine_as_test, Lifecycle, settings=limits)
