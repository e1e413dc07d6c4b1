"""What counts as an id, and that no body, however broken, is more than a bad request."""

import asyncio
import itertools
import json
import random
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from readstate.gateway.body import event_ids
from tests.gateway.conftest import PATH, Bearer, Gateway
from tests.gateway.wire import Wire, chunked, head

LARGEST = 2**63 - 1
LARGEST_BODY = 256 * 1024

# As JSON writes them, and the id that each is.
VALID = {
    "1": 1,
    "5.0": 5,
    "5.000": 5,
    "50e-1": 5,
    "1e2": 100,
    "1E+2": 100,
    "0.5e1": 5,
    "9007199254740993": 2**53 + 1,
    "9007199254740993.0": 2**53 + 1,
    "9.007199254740993e15": 2**53 + 1,
    "9223372036854775807": LARGEST,
    "9223372036854775807.0": LARGEST,
    "922337203685477580700e-2": LARGEST,
    "1." + "0" * 4000: 1,
}
SKIPPED = [
    *("0", "-0", "0.0", "-1", "-1.0", "1.5", "0.9999999999999999999999", "9007199254740993.5"),
    *("9223372036854775808", "9223372036854775808.0", "9223372036854775807.1", "18446744073709551617"),
    *("1e400", "-1e400", "1e-400", "1e999999999", "1e-999999999", "1e99999999999999999999", "1e-99999999999999999999"),
    *("0e99999999999999999999", "123456789" * 100, "true", "false", "null", '"1"', '""', "[]", "[1]", "{}", '{"id":1}'),
]
NOT_JSON = [
    *(
        "",
        " ",
        "{",
        "}",
        "[",
        '{"id"',
        '{"id":',
        '{"id":1',
        '{"id":1,}',
        '{"id":1}}',
        '{"id":1} x',
        "{'id':1}",
        "{id:1}",
    ),
    *('{"id":NaN}', '{"ids":[1,NaN]}', '{"ids":[1,Infinity]}', '{"ids":[1,-Infinity]}', '{"ids":[1,undefined]}'),
    *('{"ids":[1,01]}', '{"ids":[1,+1]}', '{"ids":[1,1.]}', '{"ids":[1,.5]}', '{"ids":[1,0x1]}', '{"ids":[1,1_0]}'),
    *('{"ids":[1,"\t"]}', '{"ids":[1,"\\x"]}', '\ufeff{"id":1}', '{"id":1}\0', "id=1", "<id>1</id>"),
    '{"ids":[1,' + "9" * 5_000 + "]}",
    '{"ids":[1,1.' + "0" * 5_000 + "]}",
    '{"ids":[1,' + "[" * 100_000 + "]" * 100_000 + "]}",
    '{"ids":[1,' + "[" * 99 + "]" * 99 + "]}",
    '{"id":1,"x":' + '{"x":' * 40_000 + "1" + "}" * 40_001,
    "[" * 200_000,
]


@pytest.mark.parametrize(("text", "value"), VALID.items(), ids=lambda value: str(value)[:20])
def test_an_integer_is_an_id_however_it_is_written(text: str, value: int) -> None:
    assert event_ids(f'{{"id":{text}}}'.encode()) == [value]
    assert event_ids(f'{{"ids":[7,{text},{text}]}}'.encode()) == [7, value, value]


@pytest.mark.parametrize("text", SKIPPED, ids=lambda value: value[:20])
def test_what_is_no_id_is_skipped(text: str) -> None:
    assert event_ids(f'{{"id":{text}}}'.encode()) == []
    assert event_ids(f'{{"ids":[7,{text},8]}}'.encode()) == [7, 8]


@pytest.mark.parametrize("text", NOT_JSON, ids=lambda value: value[:20])
def test_what_is_not_json_holds_no_id(text: str) -> None:
    assert event_ids(text.encode()) == []


@pytest.mark.parametrize("body", [b"\xff", b'{"id":1,"x":"\xff"}', b'{"id":1}\xc3', '{"id":1}'.encode("utf-16")])
def test_what_is_not_utf8_holds_no_id(body: bytes) -> None:
    assert event_ids(body) == []


def test_what_is_nested_a_little_is_skipped() -> None:
    assert event_ids(b'{"ids":[1,' + b"[" * 98 + b"]" * 98 + b"," + b"[],{}," * 1000 + b"2]}") == [1, 2]


def test_both_fields_count_and_the_last_of_a_repeated_one() -> None:
    assert event_ids(b'{"ids":[2,3],"id":1}') == [1, 2, 3]
    assert event_ids(b'{"ids":[2],"id":"x"}') == [2]
    assert event_ids(b'{"ids":"x","id":1}') == [1]
    assert event_ids(b'{"ids":{"id":2},"id":[1]}') == []
    assert event_ids(b'{"id":1,"id":2,"ids":[3],"ids":[4]}') == [2, 4]
    assert event_ids(b'{"ID":1,"Ids":[2]," id":3}') == []


@pytest.mark.alone
@pytest.mark.parametrize("text", ["1" * 4_300, "1." + "1" * 4_000, "1e4000", "-" + "9" * 4_000, "1e-999999999"])
def test_a_body_full_of_long_numbers_takes_no_time(text: str) -> None:
    count = LARGEST_BODY // (len(text) + 1) - 2
    started = time.perf_counter()
    assert event_ids(b'{"ids":[%b]}' % ",".join([text] * count).encode()) == []
    assert time.perf_counter() - started < 1


# ── Thousands of bodies ──────────────────────────────────────────────────────────────────────────────────────────────


BODIES = 5_000
"""Random ones. `make test` runs this on each engine: 10,000 in all, on one gateway."""


def bodies(seed: int) -> Iterator[tuple[bytes, int]]:
    """Bodies without end, each with the status of its answer."""
    chance = random.Random(seed)
    valid, skipped = list(VALID), SKIPPED
    alone = [text for text in (*valid, *skipped, "[1]", '[{"id":1}]') if not text.startswith('{"id"')]
    while True:
        kind = chance.choices(
            ["ids", "id", "both", "shape", "json", "broken", "noise", "large"], [30, 15, 15, 10, 10, 10, 9, 1]
        )[0]
        if kind == "large":
            yield b"[" * chance.choice([LARGEST_BODY + 1, 300_000, 1 << 20]), 413
        elif kind == "noise":
            yield chance.randbytes(chance.randrange(200)), 400
        elif kind == "json":
            yield chance.choice(NOT_JSON).encode(), 400
        elif kind == "shape":
            yield chance.choice(alone).encode(), 400
        else:
            one = chance.choice(valid + skipped)
            many = chance.choices(valid + skipped, k=chance.randrange(20))
            fields = {"id": f'"id":{one}', "ids": f'"ids":[{",".join(many)}]', "x": f'"x":{chance.choice(skipped)}'}
            names = {"id": ["id"], "ids": ["ids"]}.get(kind, ["id", "ids"])
            held = [*([one] if "id" in names else []), *(many if "ids" in names else [])]
            order = chance.sample([*names, "x"], len(names) + 1)
            space = chance.choice(["", " ", "\r\n\t "])
            body = f"{space}{{{','.join(fields[name] for name in order)}}}{space}".encode()
            if kind == "broken":  # what precedes the end of an object is not JSON
                yield body.rstrip()[: chance.randrange(len(body.strip()))], 400
            else:
                yield body, 200 if any(entry in VALID for entry in held) else 400


def framed(body: bytes, chance: random.Random, headers: list[tuple[str, str]]) -> list[bytes]:
    """A request with this body, in one of the ways in which bodies travel."""
    verb = chance.choice(["POST", "DELETE"])
    if chance.random() < 0.2:
        pieces = chunked(body, chance.choice([1, 7, 1000]) if len(body) < 1000 else 65_536)
        return [head(verb, PATH, [*headers, ("transfer-encoding", "chunked")]), pieces]
    whole = head(verb, PATH, [*headers, ("content-length", str(len(body)))]) + body
    cut = chance.randrange(1, len(whole)) if chance.random() < 0.2 else len(whole)
    return [whole[:cut], whole[cut:]] if cut < len(whole) else [whole]


async def test_thousands_of_bodies_are_answered_as_they_deserve(
    gateway: Gateway, demo_data: None, bearer: Bearer
) -> None:
    seed = time.time_ns() % 1_000_000
    chance = random.Random(seed)
    headers = list(bearer("ada").items())
    wanted = iter(list(itertools.islice(bodies(seed), BODIES)))

    async def ask() -> None:
        async with Wire(gateway.port) as wire:
            for body, status in wanted:
                reply = await wire.send(*framed(body, chance, headers))
                assert reply.status == status, (seed, body[:2_000], reply)
                assert json.loads(reply.body).keys() == ({"success"} if status == 200 else {"error"})

    await asyncio.gather(*(ask() for _ in range(16)))


async def test_ten_megabytes_are_read_to_their_end_and_refused(gateway: Gateway) -> None:
    body = b"[" * 10_000_000
    async with Wire(gateway.port) as wire:
        for request in (
            (head("POST", PATH, [("content-length", str(len(body)))]), body),
            (head("POST", PATH, [("transfer-encoding", "chunked")]), chunked(body, 65_536)),
        ):
            reply = await wire.send(*request)
            assert (reply.status, reply.body) == (413, b'{"error":"Request body too large"}')
            assert reply.headers["connection"] == "close"


async def test_a_client_that_asks_first_is_told_before_it_sends(gateway: Gateway) -> None:
    expect = ("expect", "100-continue")
    async with Wire(gateway.port) as wire:
        assert (await wire.send(head("POST", PATH, [expect, ("content-length", "10000000")]))).status == 413
    async with Wire(gateway.port) as wire:
        assert (await wire.send(head("POST", PATH, [expect, ("content-length", "8")]))).status == 100
        assert (await wire.send(b'{"id":1}')).status == 401


async def test_a_body_that_never_ends_is_dropped_in_the_end(gateway: Gateway) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(head("POST", PATH, [("transfer-encoding", "chunked")]))
    piece = chunked(b"[" * 65_536, 65_536).removesuffix(b"0\r\n\r\n")
    sent = 0
    with suppress(ConnectionError):
        while sent < 200 << 20:
            writer.write(piece)
            await writer.drain()
            sent += len(piece)
    assert 16 << 20 < sent < 200 << 20
    writer.close()
