"""Everybody who is watched on this server, and the tasks that find out what has changed for them.

Changes through this server wake their members at once. Those of other servers are found by asking, four times a
second: one statement for all who are watched. No LISTEN and NOTIFY: they do not work behind PgBouncer and on a sharded
database, and a NOTIFY inside the mark made it 2.8 to 4.3 times slower.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

import structlog

from readstate import deadline
from readstate.errors import Draining, OutOfTime, ReadStateError, TooManyStreams, Unavailable
from readstate.model import OrgMember
from readstate.rpc.unread.watched import Watched
from readstate.store.unread import Known, Question, UnreadStates
from readstate.telemetry.seldom import Seldom

POLL_SECONDS: Final = 0.25
"""Between two questions for all. A change through another server takes as long at most, and the question's own time."""
MEMBERS_AT_ONCE: Final = 1_000
"""In one statement. More would hold up calls: the loop waits while they are written down for the database."""
GONE_SECONDS: Final = 2.0
"""Between two looks at whether the watched are still members of their organisations."""
QUESTION_SECONDS: Final = 4.0
"""What one question may take."""
PATIENCE_SECONDS: Final = 3.0
"""For so long a stream that opens is not told that a question has failed: it is asked again."""
REST: Final = 4
"""After a question for some there is a rest, this many times as long as the question took. So they cost a fifth of a
connection, however often they change."""
STREAMS_PER_MEMBER: Final = 32
DRAIN_SECONDS: Final = 1.0
COMPLAINT_SECONDS: Final = 60.0

log = structlog.get_logger("readstate.rpc")

T = TypeVar("T")
_Answer: TypeAlias = "asyncio.Future[None]"


class _First(NamedTuple):
    """Who waits for the first state of a stream."""

    member: OrgMember
    answer: _Answer
    give_up_at: float


class Hub:
    """Members, and their streams. Its tasks run inside `running`."""

    def __init__(self, states: UnreadStates) -> None:
        self._states = states
        self._loop = asyncio.get_running_loop()
        self._watched: dict[OrgMember, Watched] = {}
        self._parts: list[_Part] | None = None
        """All of them in order, while they are the same."""
        self._organizations: dict[str, set[Watched]] = {}
        self._woken: set[OrgMember] = set()
        self._first: list[_First] = []
        self._wanted = asyncio.Event()
        self._complains = Seldom(COMPLAINT_SECONDS)
        self._draining = False
        self._left = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Find out what changes, until left."""
        work = self._poll, self._ask_for_some, self._look_for_gone
        tasks = [asyncio.create_task(self._forever(each), name=f"watch {each.__name__}") for each in work]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def join(self, member: OrgMember, org_id: str) -> Watched:
        """The member, with the state of a snapshot that was taken after the call. Its caller leaves it later.

        Raises:
            Draining: the server stops.
            TooManyStreams: the member has too many streams on this server.
            Migrating: the upgrade to read cursors is not finished.
            ReadStateError: as Database.run.
        """
        if self._draining:
            raise Draining
        await self._states.require_finished()
        watched = self._watched.get(member)
        if watched is None or watched.ended:
            watched = self._watched[member] = Watched(member, org_id)
            self._parts = None
            self._organizations.setdefault(org_id, set()).add(watched)
        if watched.streams >= STREAMS_PER_MEMBER:
            raise TooManyStreams
        watched.streams += 1
        try:
            await self._ask(member)
        except BaseException:
            self.leave(watched)
            raise
        return watched

    def leave(self, watched: Watched) -> None:
        """A stream has ended."""
        watched.streams -= 1
        if not watched.streams:
            self._forget(watched)

    async def drain(self) -> None:
        """End all streams, and refuse new ones. Waits a moment until they have told their clients.

        Whoever is cancelled while a message is on its way can tell nothing.
        """
        self._draining = True
        for watched in tuple(self._watched.values()):
            watched.end(Draining())
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while self._watched:
                    self._left.clear()
                    await self._left.wait()

    # ── What calls of this server have changed ───────────────────────────────────────────────────────────────────────

    def wake(self, members: Iterable[OrgMember]) -> None:
        """Something of these members has changed."""
        if woken := self._watched.keys() & members:
            self._woken.update(woken)
            self._wanted.set()

    def wake_organization(self, org_id: str) -> None:
        """Something has been recorded in this organisation."""
        self.wake(watched.member for watched in self._organizations.get(org_id, ()))

    # ── Asking ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _ask(self, member: OrgMember) -> None:
        answer: _Answer = self._loop.create_future()
        self._first.append(_First(member, answer, give_up_at=self._loop.time() + PATIENCE_SECONDS))
        self._wanted.set()
        await answer

    async def _poll(self) -> None:
        await asyncio.sleep(POLL_SECONDS)
        if self._parts is None:
            # By organisation, because many of one are cheaper to ask for. By key, because neighbours share pages, which
            # makes the look-ups a third cheaper.
            in_order = sorted(self._watched.values(), key=_by_organization)
            self._parts = [_Part(some) for some in _parts(in_order)]
        for part in self._parts:
            await self._publish(part.question())

    async def _ask_for_some(self) -> None:
        await self._wanted.wait()
        self._wanted.clear()
        began = self._loop.time()
        woken, self._woken = self._woken, set()
        first, self._first = self._first, []
        try:
            members = [each for each in woken | {one.member for one in first} if each in self._watched]
            for some in _parts(members):
                await self._publish(Question([Known(member) for member in some]))
        except BaseException as error:
            self._answer_failure(first, error)
            raise
        self._answer(first)
        await asyncio.sleep(REST * (self._loop.time() - began))

    def _answer(self, first: "list[_First]") -> None:
        for each in first:
            watched = self._watched.get(each.member)
            if watched is not None and watched.state is None and watched.ended is None:
                self._ask_again(each)  # its cursor had to be settled: the next question finds it
            elif not each.answer.done():
                each.answer.set_result(None)

    def _answer_failure(self, first: "list[_First]", error: BaseException) -> None:
        for each in first:
            if isinstance(error, Unavailable | OutOfTime) and self._loop.time() < each.give_up_at:
                self._ask_again(each)
            elif not each.answer.done():
                each.answer.set_exception(error if isinstance(error, ReadStateError) else asyncio.CancelledError())

    def _ask_again(self, first: "_First") -> None:
        self._first.append(first)
        self._wanted.set()

    async def _publish(self, question: Question) -> None:
        """Ask what is to be known instead, and tell it."""
        asked_at = self._loop.time()
        with deadline.within(QUESTION_SECONDS):
            changed = await self._states.changed(question)
        now = self._loop.time()
        for member, found in changed.items():
            if (watched := self._watched.get(member)) is not None:
                watched.publish(found, asked_at, now)

    async def _look_for_gone(self) -> None:
        await asyncio.sleep(GONE_SECONDS)
        for some in _parts(list(self._watched)):
            with deadline.within(QUESTION_SECONDS):
                gone = await self._states.gone(some)
            for member, reason in gone.items():
                if (watched := self._watched.get(member)) is not None:
                    watched.end(reason)

    # ── Forgetting, and going on after a failure ─────────────────────────────────────────────────────────────────────

    def _forget(self, watched: Watched) -> None:
        if self._watched.get(watched.member) is watched:
            del self._watched[watched.member]
            self._parts = None
            self._left.set()
        neighbours = self._organizations[watched.org_id]
        neighbours.discard(watched)
        if not neighbours:
            del self._organizations[watched.org_id]

    async def _forever(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                await work()
            except ReadStateError:
                # The database may be away. Streams stay open, and are told as soon as it answers again.
                await asyncio.sleep(POLL_SECONDS)
            except Exception as error:
                if self._complains():
                    log.error("watching failed", exc_info=error)
                await asyncio.sleep(POLL_SECONDS)


class _Part:
    """Members who are asked for together, and the question as it was asked last.

    Mostly nothing has changed. To write it down anew took four fifths of what asking cost.
    """

    def __init__(self, watched: Sequence[Watched]) -> None:
        self._watched = watched
        self._question = Question([])

    def question(self) -> Question:
        known = [each.known for each in self._watched if each.known.state is not None and each.ended is None]
        if known != self._question.known:
            self._question = Question(known)
        return self._question


def _by_organization(watched: Watched) -> tuple[int, int]:
    return watched.member.org_key, watched.member.member_key


def _parts(everybody: Sequence[T]) -> Iterator[Sequence[T]]:
    return (everybody[start : start + MEMBERS_AT_ONCE] for start in range(0, len(everybody), MEMBERS_AT_ONCE))
