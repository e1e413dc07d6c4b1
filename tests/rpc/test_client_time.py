"""The Python client when a call ends early: its time is over, its caller gives up, or the client is closed."""

import asyncio

import pytest

from readstate import errors
from readstate.client import ReadState
from readstate.config import ServerSettings
from readstate.identity import tokens
from readstate.server.app import RunningServer
from tests.rpc.gate import Gate


class HangingIssuer:
    """A token function that says when it is called, and never returns unless it is allowed to."""

    def __init__(self, token: str) -> None:
        self._token = token
        self.called = asyncio.Event()
        self.may_return = asyncio.Event()

    async def __call__(self) -> str:
        self.called.set()
        await self.may_return.wait()
        return self._token


@pytest.fixture
def target(server: RunningServer, demo_data: None) -> str:
    return f"127.0.0.1:{server.port}"


async def test_fetching_the_token_counts_against_the_time_of_every_call_that_waits_for_it(target: str) -> None:
    async with ReadState(target, token=HangingIssuer("t"), timeout=0.3) as ada, asyncio.timeout(60):
        calls = [ada.mark_read([1]), ada.mark_read([1], timeout=0.1), ada.unread_summary()]
        failures = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(failure) for failure in failures] == [errors.OutOfTime] * 3


async def test_a_fetch_that_ran_out_of_time_is_begun_anew(target: str, settings: ServerSettings) -> None:
    issuer = HangingIssuer(tokens.sign(settings, user="ada"))
    async with ReadState(target, token=issuer) as ada:
        with pytest.raises(errors.OutOfTime):
            await ada.mark_read([1], timeout=0.1)
        issuer.may_return.set()
        assert (await ada.mark_read([1])).matched == 1


@pytest.mark.alone
async def test_all_sends_of_a_call_share_its_time(target: str, settings: ServerSettings, gate: Gate) -> None:
    both = iter([tokens.sign(settings, user="ada", expires_in=-60), tokens.sign(settings, user="ada")])

    async def slow() -> str:
        await asyncio.sleep(0.4)
        return next(both)

    loop = asyncio.get_running_loop()
    async with ReadState(target, token=slow, timeout=1.0) as ada:
        began = loop.time()
        with pytest.raises(errors.OutOfTime):
            await ada.mark_read([1])
        assert 0.9 < loop.time() - began < 1.3


async def test_a_timeout_of_the_token_function_reaches_the_caller_as_it_is(target: str) -> None:
    async def impatient() -> str:
        async with asyncio.timeout(0.05):
            return await HangingIssuer("t")()

    async with ReadState(target, token=impatient) as ada:
        with pytest.raises(TimeoutError):
            await ada.mark_read([1])


async def test_a_caller_that_is_cancelled_while_the_token_is_fetched_is_cancelled(target: str) -> None:
    issuer = HangingIssuer("t")
    async with ReadState(target, token=issuer) as ada:
        call = asyncio.create_task(ada.mark_read([1]))
        await issuer.called.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_a_caller_that_is_cancelled_while_the_call_runs_is_cancelled(ada: ReadState, gate: Gate) -> None:
    call = asyncio.create_task(ada.mark_read([1]))
    await gate.holds(1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_caller_that_has_a_timeout_of_its_own_sees_that_one(ada: ReadState, gate: Gate) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await ada.mark_read([1])


async def test_a_call_that_runs_when_the_client_is_closed_is_unavailable(ada: ReadState, gate: Gate) -> None:
    call = asyncio.create_task(ada.mark_read([1]))
    await gate.holds(1)
    await ada.close()
    with pytest.raises(errors.Unavailable, match="the client has been closed"):
        await call


async def test_a_call_that_fetches_its_token_when_the_client_is_closed_is_unavailable(target: str) -> None:
    issuer = HangingIssuer("t")
    ada = ReadState(target, token=issuer)
    call = asyncio.create_task(ada.mark_read([1]))
    await issuer.called.wait()
    await ada.close()
    issuer.may_return.set()
    with pytest.raises(errors.Unavailable, match="the client has been closed"):
        await call
