"""Which keys of an endpoint are in use, and when it is asked."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from readstate.errors import InvalidToken, SigningKeysUnavailable
from readstate.identity.signing_keys.jwks_url import JwksKeys
from tests.unit.signing_keys.endpoint import Endpoint, eventually
from tests.unit.signing_keys.keys import EC_KEY, NEW, NEW_SET, OLD, PASSED_OVER, RSA_KEY, bearer, jwk, jwks, verifier


async def test_tokens_are_verified_by_the_key_that_they_name(endpoint: Endpoint) -> None:
    endpoint.body = jwks(jwk(RSA_KEY, "RS256", kid="r"), jwk(EC_KEY, "ES256", kid="e"), jwk(OLD, "EdDSA", kid="d"))
    async with JwksKeys(endpoint.url) as keys:
        for private, algorithm, kid in ((RSA_KEY, "RS256", "r"), (EC_KEY, "ES256", "e"), (OLD, "EdDSA", "d")):
            assert (await verifier(keys).verify(bearer(private, algorithm, kid))).user_id == "ada"
        with pytest.raises(InvalidToken):
            await verifier(keys).verify(bearer(EC_KEY, "ES256", "r"))
    assert endpoint.asked == 1


async def test_a_published_symmetric_key_signs_nothing(endpoint: Endpoint) -> None:
    endpoint.body = jwks(PASSED_OVER["symmetric"], jwk(OLD, "EdDSA", kid="d"))
    async with JwksKeys(endpoint.url) as keys:
        with pytest.raises(InvalidToken):
            await verifier(keys).verify(bearer(b"secret of 32 bytes or more for all", "HS256", "x"))


async def test_a_token_without_kid_needs_a_set_of_one_usable_key(endpoint: Endpoint) -> None:
    endpoint.body = jwks(jwk(OLD, "EdDSA", kid="old"), PASSED_OVER["symmetric"])
    async with JwksKeys(endpoint.url, refresh=0.01) as keys:
        assert (await verifier(keys).verify(bearer(OLD, "EdDSA"))).user_id == "ada"
        endpoint.body = jwks(jwk(OLD, "EdDSA", kid="old"), jwk(NEW, "EdDSA", kid="new"))
        await eventually(lambda: keys.generation == 2)
        with pytest.raises(InvalidToken):
            await verifier(keys).verify(bearer(OLD, "EdDSA"))


async def test_an_unknown_kid_fetches_the_rotated_set(endpoint: Endpoint) -> None:
    async with JwksKeys(endpoint.url, cool_down=0) as keys:
        endpoint.body = NEW_SET
        assert (await verifier(keys).verify(bearer(NEW, "EdDSA", "new"))).user_id == "ada"
        assert endpoint.asked == 2


async def test_rotation_is_noticed_without_any_call_and_forgets_what_the_old_keys_verified(endpoint: Endpoint) -> None:
    async with JwksKeys(endpoint.url, refresh=0.01) as keys:
        subject, authorization = verifier(keys), bearer(OLD, "EdDSA", "old")
        await subject.verify(authorization)
        assert subject.cached(authorization) is not None
        endpoint.body = NEW_SET
        await eventually(lambda: keys.generation == 2)
        assert subject.cached(authorization) is None
        with pytest.raises(InvalidToken):
            await subject.verify(authorization)


async def test_fetching_the_same_set_again_forgets_nothing(endpoint: Endpoint) -> None:
    async with JwksKeys(endpoint.url, refresh=0.01) as keys:
        subject, authorization = verifier(keys), bearer(OLD, "EdDSA", "old")
        await subject.verify(authorization)
        await eventually(lambda: endpoint.asked >= 4)
        assert subject.cached(authorization) is not None


async def test_a_storm_of_unknown_kids_is_one_fetch_in_a_cool_down(endpoint: Endpoint) -> None:
    begun = time.monotonic()
    async with JwksKeys(endpoint.url, cool_down=0.2) as keys:
        subject = verifier(keys)
        await asyncio.sleep(0.2)
        for _ in range(3):
            answers = await asyncio.gather(
                *(subject.verify(bearer(NEW, "EdDSA", f"forged {n}")) for n in range(50)), return_exceptions=True
            )
            assert {type(answer) for answer in answers} == {InvalidToken}
    assert 2 <= endpoint.asked <= 1 + (time.monotonic() - begun) / 0.2


async def test_concurrent_calls_share_one_fetch_and_one_that_gives_up_does_not_end_it(endpoint: Endpoint) -> None:
    gate = threading.Event()
    async with JwksKeys(endpoint.url, cool_down=0) as keys:
        endpoint.before_answer, endpoint.body = gate.wait, NEW_SET
        calls = [asyncio.create_task(verifier(keys).verify(bearer(NEW, "EdDSA", "new"))) for _ in range(20)]
        await eventually(lambda: endpoint.asked == 2)
        calls[0].cancel()
        await asyncio.sleep(0)
        gate.set()
        answers = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert all(not isinstance(answer, BaseException) for answer in answers[1:])
    assert endpoint.asked == 2


async def test_only_so_many_calls_wait_for_a_slow_endpoint(endpoint: Endpoint) -> None:
    gate = threading.Event()
    async with JwksKeys(endpoint.url, cool_down=0, most_waiting=3) as keys:
        endpoint.before_answer = gate.wait
        waiting = [asyncio.create_task(keys.find(f"forged {n}")) for n in range(3)]
        await eventually(lambda: endpoint.asked == 2)
        with pytest.raises(SigningKeysUnavailable):
            await keys.find("forged 3")
        assert await keys.find("old")
        gate.set()
        assert await asyncio.gather(*waiting) == [(), (), ()]


async def test_a_slow_endpoint_blocks_neither_the_loop_nor_known_keys(endpoint: Endpoint) -> None:
    gate = threading.Event()
    async with JwksKeys(endpoint.url, cool_down=0) as keys:
        endpoint.before_answer = gate.wait
        slow = asyncio.create_task(keys.find("unknown"))
        await eventually(lambda: endpoint.asked == 2)
        begun = time.monotonic()
        for _ in range(100):
            assert await keys.find("old")
            await asyncio.sleep(0)
        assert time.monotonic() - begun < 30
        assert not slow.done()
        gate.set()
        assert await slow == ()


async def test_the_last_good_set_is_served_while_the_endpoint_is_down(endpoint: Endpoint) -> None:
    async with JwksKeys(endpoint.url, refresh=0.01, cool_down=0.01) as keys:
        endpoint.close()
        with pytest.raises(SigningKeysUnavailable):  # it may be a new key: nobody can know
            await eventually_raises(lambda: keys.find("new"))
        assert (await verifier(keys).verify(bearer(OLD, "EdDSA", "old"))).user_id == "ada"
        assert keys.generation == 1
        endpoint.body = NEW_SET
        endpoint.open()
        await eventually(lambda: keys.generation == 2)
        assert (await verifier(keys).verify(bearer(NEW, "EdDSA", "new"))).user_id == "ada"


async def eventually_raises(call: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while True:
            await call()
            await asyncio.sleep(0.005)


async def test_a_server_whose_first_fetch_fails_starts_and_gets_its_keys_later(endpoint: Endpoint) -> None:
    endpoint.close()
    async with JwksKeys(endpoint.url, cool_down=0.05) as keys:
        subject = verifier(keys)
        for authorization in (bearer(OLD, "EdDSA", "old"), bearer(OLD, "EdDSA")):
            with pytest.raises(SigningKeysUnavailable):
                await subject.verify(authorization)
        endpoint.open()
        await eventually(lambda: keys.generation == 1)
        assert (await subject.verify(bearer(OLD, "EdDSA", "old"))).user_id == "ada"


async def test_leaving_ends_the_refreshing(endpoint: Endpoint) -> None:
    before = asyncio.all_tasks()
    async with JwksKeys(endpoint.url, refresh=0.01):
        await eventually(lambda: endpoint.asked >= 2)
    asked = endpoint.asked
    await asyncio.sleep(0.1)
    assert endpoint.asked <= asked + 1  # one may have been on its way
    assert asyncio.all_tasks() <= before
