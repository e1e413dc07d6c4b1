"""Calls by somebody who may not call, and calls with anything in them."""

import asyncio
import base64
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Final

import grpc
from grpc import StatusCode

from readstate.config import ServerSettings
from readstate.identity import tokens
from readstate.v1.system_events_pb2 import MarkReadRequest
from tests.chaos import tally
from tests.chaos.bomb import explode
from tests.chaos.haproxy import balancing
from tests.chaos.report import row
from tests.chaos.server import Server
from tests.chaos.trial import Trial
from tests.conftest import settings_on
from tests.rpc.test_order import METHODS

AT_ONCE: Final = 32
MOST_MEMORY: Final = 64 << 20
"""Bytes that the server may take beyond what it had."""
MARK: Final = "/readstate.v1.SystemEventService/MarkRead"

UNARY: Final = [method for method in METHODS if method != "UnreadService/WatchUnread"]
"""A stream that is opened does not end by itself."""

Answers = Counter[str]


async def all_answered(number: int, call: Callable[[int], Awaitable[object]]) -> Answers:
    """Make so many calls, some at once; return how often each code was the answer."""
    answers: Answers = Counter()
    numbers = iter(range(number))

    async def caller() -> None:
        for n in numbers:
            try:
                await call(n)
            except grpc.aio.AioRpcError as error:
                answers[error.code().name] += 1
            else:
                answers["OK"] += 1

    await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
    return answers


async def unharmed(trial: Trial, server: Server, before: int) -> None:
    """The server is ready, has taken little memory, and has written log lines only, and no error."""
    taken = server.most_memory() - before
    trial.report.note(f"{taken >> 20} MiB more")
    trial.report.expect(taken <= MOST_MEMORY, f"the server took {taken >> 20} MiB")
    trial.report.expect(await server.ready(), "the server is not ready")
    lines = server.log.read_text().splitlines()
    raw = [line for line in lines if not line.startswith("{")]
    trial.report.expect(not raw, f"{len(raw)} lines that are no log lines: {raw[:2]}")
    errors = Counter(
        entry["event"] for line in lines if line not in raw and (entry := json.loads(line))["level"] == "error"
    )
    trial.report.expect(not errors, f"errors in the log: {tally.listed(errors)}")


# ── Tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def forged(number: int, good: str, settings: ServerSettings) -> str:
    """A token that is not valid, another one for each number."""
    chance = random.Random(number)
    header, claims, signature = good.split(".")
    match number % 8:
        case 0:
            return f"{header}.{claims}.{signature[:-4]}{chance.randrange(16**4):04x}"
        case 1:
            return f"{_part({'alg': 'none', 'n': number})}.{claims}."
        case 2:
            return f"{header}.{_part({'sub': 'acme-reader-0', 'n': number})}.{signature}"
        case 3:
            return tokens.sign(settings, user=f"user-{number}", scope="", org=None, expires_in=-3600)
        case 4:
            other = settings.model_copy(update={"token_audience": f"other-{number}"})
            return tokens.sign(other, user="acme-reader-0", scope="", org=None)
        case 5:
            return f"{_part({'alg': 'HS256', 'kid': chance.randbytes(8).hex()})}.{claims}.{signature}"
        case 6:
            return chance.randbytes(chance.randrange(1, 2000)).hex()
        case _:
            return f"{_part({'alg': 'HS256', 'x': number})[:-1]}.{'e30.' * chance.randrange(1, 5)}"


@row(
    injected="100,000 forged tokens, all different",
    expected="UNAUTHENTICATED for each; at most 64 MiB more; stderr holds log lines only, and no error",
)
async def test_forged_tokens(trial: Trial, database_url: str) -> None:
    server = await trial.serve(database_url)
    await trial.make_world(server.port)
    call: Any = (await trial.channel(server.port)).unary_unary(MARK)
    good, before, settings = trial.token("acme-reader-0"), server.memory(), settings_on(database_url)
    message = MarkReadRequest(event_ids=[1]).SerializeToString()
    number = trial.choose(short=1500, full=100_000)

    def attempt(n: int) -> Awaitable[object]:
        answer: Awaitable[object] = call(
            message, metadata=(("authorization", f"Bearer {forged(n, good, settings)}"),), timeout=30
        )
        return answer

    answers = await all_answered(number, attempt)
    trial.report.note(f"{number:,} tokens: {tally.listed(answers)}")
    trial.report.expect(set(answers) == {"UNAUTHENTICATED"}, f"answers {tally.listed(answers)}")
    await unharmed(trial, server, before)


# ── Messages ─────────────────────────────────────────────────────────────────────────────────────────────────────────

FINE: Final = {
    code.name
    for code in (StatusCode.OK, StatusCode.INVALID_ARGUMENT, StatusCode.NOT_FOUND, StatusCode.FAILED_PRECONDITION)
}


def random_body(number: int) -> tuple[str, bytes]:
    """A method, and bytes that may be its message: noise, or a message of which some bytes are others now."""
    chance = random.Random(number)
    method = chance.choice(UNARY)
    if chance.random() < 0.3:
        return method, chance.randbytes(chance.randrange(200))
    body = bytearray(b"".join(_field(chance) for _ in range(chance.randrange(6))))
    for _ in range(chance.randrange(3)):
        if body:
            body[chance.randrange(len(body))] = chance.randrange(256)
    return method, bytes(body)


def _field(chance: random.Random) -> bytes:
    """A field of one of the lower numbers, as a number or as bytes (protobuf.dev/programming-guides/encoding)."""
    number = chance.randrange(1, 10)
    if chance.random() < 0.4:
        return bytes([number << 3, chance.randrange(128)])
    value = chance.choice([b"acme", b"x", b"\x08\x01", chance.randbytes(chance.randrange(20))])
    return bytes([number << 3 | 2, len(value)]) + value


@row(
    injected="100,000 messages of random bytes to every unary method, by a member with every scope",
    expected="OK, INVALID_ARGUMENT, NOT_FOUND or FAILED_PRECONDITION; at most 64 MiB more; no error in the log",
)
async def test_random_bodies(trial: Trial, database_url: str) -> None:
    server = await trial.serve(database_url)
    await trial.make_world(server.port)
    channel, before = await trial.channel(server.port), server.memory()
    bearer = (("authorization", f"Bearer {trial.token('acme-reader-0')}"),)
    calls: dict[str, Any] = {method: channel.unary_unary(f"/readstate.v1.{method}") for method in UNARY}
    number = trial.choose(short=1500, full=100_000)

    def attempt(n: int) -> Awaitable[object]:
        method, body = random_body(n)
        answer: Awaitable[object] = calls[method](body, metadata=bearer, timeout=30)
        return answer

    answers = await all_answered(number, attempt)
    trial.report.note(f"{number:,} messages: {tally.listed(answers)}")
    trial.report.expect(set(answers) <= FINE, f"answers {tally.listed(answers)}")
    trial.report.expect(answers["OK"] > 0 and answers["INVALID_ARGUMENT"] > 0, "all of them were the same")
    await unharmed(trial, server, before)


# ── Compressed messages ──────────────────────────────────────────────────────────────────────────────────────────────


@row(
    injected="eight calls without a token; each message is 400 KiB compressed, and 400 MiB otherwise; HAProxy refuses"
    " compressed messages before they reach native, which cannot",
    expected="each is refused; at most 64 MiB more; the server stays ready",
)
async def test_gzip_bomb(trial: Trial, database_url: str) -> None:
    server = await trial.serve(database_url)
    before, size = server.memory(), trial.choose(short=100, full=400)
    async with AsyncExitStack() as stack:
        native = trial.engine == "native"
        port = await stack.enter_async_context(balancing([server])) if native else server.port
        statuses = Counter(await asyncio.gather(*(explode(port, MARK, megabytes=size) for _ in range(8))))
    trial.report.note(f"8 of {size} MiB: {tally.listed(statuses)}")
    trial.report.expect("OK" not in statuses and "none" not in statuses, f"answers {tally.listed(statuses)}")
    await unharmed(trial, server, before)
