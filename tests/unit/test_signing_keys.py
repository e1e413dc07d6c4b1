"""Where keys come from. JWKS endpoints are real HTTP servers on a thread."""

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from readstate.auth import TokenVerifier
from readstate.config import TokenSettings
from readstate.errors import InvalidToken, SigningKeysUnavailable, StartupError
from readstate.signing_keys import (
    LARGEST_JWKS,
    JwksKeys,
    SigningKey,
    StaticKey,
    UnfitAnswer,
    key_source,
    parse_jwks,
)

RSA_KEY = rsa.generate_private_key(65537, 2048)
WEAK_RSA_KEY = rsa.generate_private_key(65537, 1024)  # noqa: S505  a key to be refused
EC_KEY = ec.generate_private_key(ec.SECP256R1())
OLD, NEW = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
ISSUER, AUDIENCE = "https://issuer.test", "readstate"
CANARY = "canary-7f3a"
SECRET = "a secret of these tests, 32 bytes or more"


def jwk(private: Any, algorithm: str, **members: Any) -> dict[str, Any]:
    return {**jwt.get_algorithm_by_name(algorithm).to_jwk(private.public_key(), as_dict=True), **members}


def jwks(*keys: Any) -> bytes:
    return json.dumps({"keys": keys}).encode()


def pem(public: Any) -> bytes:
    encoded: bytes = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return encoded


OLD_SET, NEW_SET = jwks(jwk(OLD, "EdDSA", kid="old")), jwks(jwk(NEW, "EdDSA", kid="new"))


class Endpoint:
    """A JWKS endpoint whose answer the test sets, and which counts how often it was asked."""

    def __init__(self) -> None:
        self.body = OLD_SET
        self.status = 200
        self.headers: dict[str, str] = {}
        self.asked = 0
        self.abandoned = 0
        self.before_answer: Callable[[], object] = lambda: None
        self.drip: float | None = None
        self.drips_headers = False
        self._server: ThreadingHTTPServer | None = None
        self.port = 0

    def open(self) -> None:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                endpoint.asked += 1
                endpoint.before_answer()
                try:
                    endpoint.answer(self)
                except OSError:
                    endpoint.abandoned += 1

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        if self.drips_headers:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while True:
                handler.wfile.write(b"x")
                time.sleep(0.02)
        handler.send_response(self.status)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        if self.drip is None:
            handler.wfile.write(self.body)
            return
        for byte in self.body:
            handler.wfile.write(bytes([byte]))
            time.sleep(self.drip)

    def close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/jwks.json"


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    endpoint = Endpoint()
    endpoint.open()
    yield endpoint
    endpoint.close()


def verifier(keys: JwksKeys | StaticKey) -> TokenVerifier:
    return TokenVerifier(keys, issuer=ISSUER, audience=AUDIENCE, leeway=0, org_claim="org_id")


def bearer(private: Any, algorithm: str, kid: str | None = None, user: str = "ada") -> str:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": user, "exp": int(time.time()) + 3600}
    return "Bearer " + jwt.encode(claims, private, algorithm, None if kid is None else {"kid": kid})


async def eventually(condition: Callable[[], object], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  the server's thread sets no asyncio.Event
            await asyncio.sleep(0.005)


# A secret or a file.


def settings(**values: Any) -> TokenSettings:
    return TokenSettings(token_issuer=ISSUER, token_audience=AUDIENCE, **values)


@pytest.mark.parametrize(
    ("private", "algorithm"),
    [(RSA_KEY, "RS256"), (EC_KEY, "ES256"), (OLD, "EdDSA")],
    ids=["RSA", "P-256", "Ed25519"],
)
async def test_a_pem_public_key_verifies_with_the_algorithm_of_its_kind(
    private: Any, algorithm: str, tmp_path: Path
) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(pem(private.public_key()))
    async with key_source(settings(token_public_key=path)) as keys:
        key = await keys.find("whatever")
        assert key is not None
        assert key.algorithm == algorithm
        assert isinstance(keys, StaticKey)
        assert (await verifier(keys).verify(bearer(private, algorithm))).user_id == "ada"


UNFIT_PEM = {
    "empty": b"",
    "no PEM": b"hunter2 " * 8,
    "not ASCII": b"\xff\xfe\x00" * 20,
    "damaged": pem(RSA_KEY.public_key()).replace(b"A", b"!"),
    "cut": pem(RSA_KEY.public_key())[:200],
    "RSA of 1024 bits": pem(WEAK_RSA_KEY.public_key()),
    "P-384": pem(ec.generate_private_key(ec.SECP384R1()).public_key()),
    "secp256k1": pem(ec.generate_private_key(ec.SECP256K1()).public_key()),
    "Ed448": pem(ed448.Ed448PrivateKey.generate().public_key()),
    "private key": OLD.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
}


@pytest.mark.parametrize("content", UNFIT_PEM.values(), ids=UNFIT_PEM.keys())
def test_any_other_file_stops_the_start_and_is_not_shown(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    with pytest.raises(StartupError, match=r"^READSTATE_TOKEN_PUBLIC_KEY: must be") as refused:
        key_source(settings(token_public_key=path))
    assert "hunter2" not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize("name", ["missing.pem", "."], ids=["missing", "a folder"])
def test_a_file_that_cannot_be_read_stops_the_start(name: str, tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"^READSTATE_TOKEN_PUBLIC_KEY: the file cannot be read") as refused:
        key_source(settings(token_public_key=tmp_path / name))
    assert str(tmp_path) not in str(refused.value)


@pytest.mark.parametrize(
    "secret",
    [pem(RSA_KEY.public_key()).decode(), json.dumps({"kty": "oct", "k": "c2VjcmV0IG9mIDMyIGJ5dGVzIG9yIG1vcmU"})],
    ids=["PEM", "JWK"],
)
def test_a_key_that_is_no_secret_stops_the_start(secret: str) -> None:
    with pytest.raises(StartupError, match=r"^READSTATE_TOKEN_SECRET: must be random text"):
        key_source(settings(token_secret=secret))


async def test_a_secret_verifies_hs256_and_is_not_shown() -> None:
    async with key_source(settings(token_secret=SECRET)) as keys:
        key = await keys.find(None)
        assert key == SigningKey("HS256", SECRET.encode())
        assert SECRET not in repr(key)


# Reading a JWK Set.


def test_the_three_kinds_of_key_are_read_with_their_names() -> None:
    document = jwks(
        jwk(RSA_KEY, "RS256", kid="r", alg="RS256", use="sig"), jwk(EC_KEY, "ES256", kid="e"), jwk(OLD, "EdDSA")
    )
    assert [(key.algorithm, key.kid) for key in parse_jwks(document)] == [
        ("RS256", "r"),
        ("ES256", "e"),
        ("EdDSA", None),
    ]


PASSED_OVER = {
    "symmetric": {"kty": "oct", "k": "c2VjcmV0IG9mIDMyIGJ5dGVzIG9yIG1vcmUgZm9yIGFsbA", "alg": "HS256", "kid": "x"},
    "for encryption": jwk(RSA_KEY, "RS256", use="enc"),
    "for wrapping keys": jwk(RSA_KEY, "RS256", key_ops=["wrapKey"]),
    "key_ops a number": jwk(RSA_KEY, "RS256", key_ops=1),
    "RSA for another family": jwk(RSA_KEY, "RS256", alg="PS256"),
    "RSA for HS256": jwk(RSA_KEY, "RS256", alg="HS256"),
    "RSA for none": jwk(RSA_KEY, "RS256", alg="none"),
    "alg an array": jwk(RSA_KEY, "RS256", alg=["RS256"]),
    "RSA of 1024 bits": jwk(WEAK_RSA_KEY, "RS256"),
    "RSA without a modulus": {"kty": "RSA", "e": "AQAB"},
    "RSA with a number for a modulus": {"kty": "RSA", "e": "AQAB", "n": 3},
    "RSA of nonsense": {"kty": "RSA", "e": "AQAB", "n": "!!"},
    "private": json.loads(jwt.get_algorithm_by_name("EdDSA").to_jwk(OLD)),
    "P-384": jwk(ec.generate_private_key(ec.SECP384R1()), "ES384"),
    "P-256, a point off the curve": {**jwk(EC_KEY, "ES256"), "y": "A" * 43},
    "Ed25519 of 3 bytes": {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
    "kid a number": jwk(OLD, "EdDSA", kid=1),
    "unknown kind": {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
    "kind an array": {"kty": ["RSA"]},
    "no kind": {},
    "text": "key",
    "null": None,
}


@pytest.mark.parametrize("unusable", PASSED_OVER.values(), ids=PASSED_OVER.keys())
def test_a_key_that_cannot_be_used_is_passed_over(unusable: Any) -> None:
    assert [key.kid for key in parse_jwks(jwks(unusable, jwk(NEW, "EdDSA", kid="good")))] == ["good"]
    with pytest.raises(UnfitAnswer, match="no usable key"):
        parse_jwks(jwks(unusable))


GARBAGE = {
    "empty": b"",
    "HTML": b"<html>sign in</html>",
    "not UTF-8": b'{"keys":"\xff"}',
    "an array": b"[]",
    "text": b'"keys"',
    "no keys": b"{}",
    "keys an object": b'{"keys":{}}',
    "keys null": b'{"keys":null}',
    "keys empty": b'{"keys":[]}',
    "nested deep": b"[" * 100_000,
}


@pytest.mark.parametrize("document", GARBAGE.values(), ids=GARBAGE.keys())
def test_what_is_no_key_set_is_refused(document: bytes) -> None:
    with pytest.raises(UnfitAnswer, match=r"JWK Set$"):
        parse_jwks(document)


# A JWKS endpoint.


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
        assert await keys.find("old") is not None
        gate.set()
        assert await asyncio.gather(*waiting) == [None, None, None]


async def test_a_slow_endpoint_blocks_neither_the_loop_nor_known_keys(endpoint: Endpoint) -> None:
    gate = threading.Event()
    async with JwksKeys(endpoint.url, cool_down=0) as keys:
        endpoint.before_answer = gate.wait
        slow = asyncio.create_task(keys.find("unknown"))
        await eventually(lambda: endpoint.asked == 2)
        begun = time.monotonic()
        for _ in range(100):
            assert await keys.find("old") is not None
            await asyncio.sleep(0)
        assert time.monotonic() - begun < 3
        assert not slow.done()
        gate.set()
        assert await slow is None


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
    async with asyncio.timeout(5):
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


UNFIT_ANSWERS: dict[str, dict[str, Any]] = {
    "status 500": {"status": 500, "body": NEW_SET},
    "status 404": {"status": 404},
    "redirect": {"status": 302, "headers": {"Location": "/other"}, "body": NEW_SET},
    "garbage": {"body": GARBAGE["HTML"]},
    "not UTF-8": {"body": GARBAGE["not UTF-8"]},
    "nested deep": {"body": GARBAGE["nested deep"]},
    "no usable key": {"body": jwks(PASSED_OVER["symmetric"])},
    "oversize": {"body": NEW_SET + b" " * LARGEST_JWKS},
    "cut short": {"body": NEW_SET[:40], "headers": {"Content-Length": str(len(NEW_SET))}},
}


@pytest.mark.parametrize("answer", UNFIT_ANSWERS.values(), ids=UNFIT_ANSWERS.keys())
async def test_an_unfit_answer_leaves_the_last_good_set_in_use(endpoint: Endpoint, answer: dict[str, Any]) -> None:
    async with JwksKeys(endpoint.url, cool_down=0) as keys:
        for name, value in answer.items():
            setattr(endpoint, name, value)
        with pytest.raises(SigningKeysUnavailable):
            await keys.find("new")
        assert await keys.find("old") is not None
        assert keys.generation == 1
    assert endpoint.asked == 2


async def test_an_answer_that_drips_is_given_up_in_time_and_so_is_its_connection(endpoint: Endpoint) -> None:
    endpoint.drip = 0.02
    begun = time.monotonic()
    async with JwksKeys(endpoint.url, timeout=0.2) as keys:
        assert time.monotonic() - begun < 2
        with pytest.raises(SigningKeysUnavailable):
            await keys.find("old")
    await eventually(lambda: endpoint.abandoned == 1)


async def test_headers_that_drip_are_given_up_in_time_and_so_is_their_connection(endpoint: Endpoint) -> None:
    endpoint.drips_headers = True
    begun = time.monotonic()
    async with JwksKeys(endpoint.url, timeout=0.2):
        assert time.monotonic() - begun < 2
        await eventually(lambda: endpoint.abandoned == 1)


async def test_a_command_ends_at_once_while_an_endpoint_drips(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.drips_headers = True
    environment = {name: value for name, value in os.environ.items() if not name.startswith("READSTATE_")}
    values = {"DATABASE_URL": "postgresql://nobody.invalid/x", "TOKEN_ISSUER": "i", "TOKEN_AUDIENCE": "a"}
    values |= {"TOKEN_JWKS_URL": endpoint.url}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "readstate", "serve",
        cwd=tmp_path, env=environment | {f"READSTATE_{name}": value for name, value in values.items()},
    )  # fmt: skip
    try:
        await eventually(lambda: endpoint.asked == 1, seconds=30)
        process.terminate()
        async with asyncio.timeout(3):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_an_endpoint_is_asked_by_way_of_the_proxy_that_the_environment_names(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", endpoint.url)
    async with JwksKeys("http://issuer.invalid/jwks.json") as keys:
        assert await keys.find("old") is not None


async def test_leaving_ends_the_refreshing(endpoint: Endpoint) -> None:
    before = asyncio.all_tasks()
    async with JwksKeys(endpoint.url, refresh=0.01):
        await eventually(lambda: endpoint.asked >= 2)
    asked = endpoint.asked
    await asyncio.sleep(0.1)
    assert endpoint.asked <= asked + 1  # one may have been on its way
    assert asyncio.all_tasks() <= before


async def test_why_a_fetch_failed_is_logged_in_words_of_ours(logged: Callable[[], str], endpoint: Endpoint) -> None:
    answers: dict[str, dict[str, Any]] = {
        "no whole answer in time": {"drip": 0.1},
        "HTTP status 503": {"drip": None, "status": 503},
        "not a JWK Set": {"status": 200, "body": CANARY.encode()},
        "no usable key in the JWK Set": {"body": jwks({"kty": CANARY})},
    }
    for reason, answer in answers.items():
        for name, value in answer.items():
            setattr(endpoint, name, value)
        async with JwksKeys(f"{endpoint.url}?key={CANARY}", timeout=1):
            pass
        line = json.loads(logged().splitlines()[-1])
        assert (line["event"], line["level"]) == ("signing keys could not be fetched", "warning")
        assert line["reason"] == reason
    assert CANARY not in logged()


async def test_no_line_of_the_log_holds_the_url_or_a_broken_answer(
    logged: Callable[[], str], endpoint: Endpoint
) -> None:
    endpoint.headers = {"Content-Length": CANARY, "Set-Cookie": f"{CANARY}\x01={CANARY}"}
    async with JwksKeys(f"{endpoint.url}?key={CANARY}"):
        pass
    endpoint.close()
    async with JwksKeys(f"{endpoint.url}?key={CANARY}"):
        pass
    lines = [json.loads(line) for line in logged().splitlines()]
    assert [line["event"] for line in lines] == ["signing keys could not be fetched"] * 2
    assert all(line["exception"][0]["type"] for line in lines)
    assert CANARY not in logged()


async def test_another_set_is_logged_with_the_number_of_its_keys(logged: Callable[[], str], endpoint: Endpoint) -> None:
    async with JwksKeys(endpoint.url):
        pass
    [line] = map(json.loads, logged().splitlines())
    assert (line["event"], line["level"], line["count"]) == ("signing keys changed", "info", 1)
