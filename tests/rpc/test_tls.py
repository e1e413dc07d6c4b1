"""TLS, and mutual TLS."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from readstate.client import ReadState
from readstate.config import ServerSettings
from readstate.errors import StartupError, Unavailable, UnknownUser
from readstate.identity import tokens
from readstate.server import app


@dataclass(frozen=True)
class Authority:
    """Signs certificates."""

    key: ec.EllipticCurvePrivateKey
    name: x509.Name
    certificate: bytes

    def issue(self, common_name: str) -> tuple[bytes, bytes]:
        """Private key and certificate, for localhost."""
        key = ec.generate_private_key(ec.SECP256R1())
        return pem(key), certificate(named(common_name), key, self.name, self.key, ca=False)


def authority(common_name: str) -> Authority:
    key, name = ec.generate_private_key(ec.SECP256R1()), named(common_name)
    return Authority(key, name, certificate(name, key, name, key, ca=True))


def certificate(
    name: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    ca: bool,
) -> bytes:
    now = datetime.now(UTC)
    addresses = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(issuer, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
    builder = builder.add_extension(x509.BasicConstraints(ca, None), critical=True)
    builder = builder.add_extension(addresses, critical=False)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


OURS = authority("ours")
THEIRS = authority("theirs")


@pytest.fixture
def settings(settings: ServerSettings, tmp_path: Path) -> ServerSettings:
    """With TLS; the CA for clients lies ready."""
    if settings.engine == "native":
        pytest.skip("the native engine has no TLS")
    key, chain = OURS.issue("server")
    for name, content in ("key.pem", key), ("cert.pem", chain), ("ca.pem", OURS.certificate):
        (tmp_path / name).write_bytes(content)
    return settings.model_copy(update={"tls_key": tmp_path / "key.pem", "tls_cert": tmp_path / "cert.pem"})


@pytest.fixture
def mutual(settings: ServerSettings, tmp_path: Path) -> ServerSettings:
    return settings.model_copy(update={"tls_client_ca": tmp_path / "ca.pem"})


async def test_a_client_that_trusts_the_certificate_is_served(settings: ServerSettings) -> None:
    for host in "localhost", "127.0.0.1":
        assert await answers(settings, presenting(None), host)


async def test_a_client_that_trusts_another_authority_hangs_up(settings: ServerSettings) -> None:
    for client in (
        lambda target, token: ReadState(target, token=token, root_certificates=THEIRS.certificate),
        lambda target, token: ReadState(target, token=token, tls=True),
    ):
        assert not await answers(settings, client)


async def test_a_client_that_speaks_in_the_clear_is_not_served(settings: ServerSettings) -> None:
    assert not await answers(settings, lambda target, token: ReadState(target, token=token))


async def test_with_a_client_authority_only_its_clients_are_served(mutual: ServerSettings) -> None:
    assert await answers(mutual, presenting(OURS.issue("client")))
    assert not await answers(mutual, presenting(THEIRS.issue("client")))
    assert not await answers(mutual, presenting(None))


async def test_a_file_that_holds_no_certificate_is_named(settings: ServerSettings, tmp_path: Path) -> None:
    (tmp_path / "nonsense.pem").write_text("nonsense")
    for setting in "tls_cert", "tls_key":
        with pytest.raises(StartupError, match=f"READSTATE_{setting.upper()}"):
            async with app.running_server(settings.model_copy(update={setting: tmp_path / "nonsense.pem"})):
                pass


async def test_a_key_of_another_certificate_is_named(settings: ServerSettings, tmp_path: Path) -> None:
    (tmp_path / "other.pem").write_bytes(OURS.issue("other")[0])
    with pytest.raises(StartupError, match="READSTATE_TLS"):
        async with app.running_server(settings.model_copy(update={"tls_key": tmp_path / "other.pem"})):
            pass


async def test_a_client_authority_that_is_none_is_named(settings: ServerSettings, tmp_path: Path) -> None:
    (tmp_path / "nonsense.pem").write_text("nonsense")
    with pytest.raises(StartupError, match="READSTATE_TLS_CLIENT_CA"):
        async with app.running_server(settings.model_copy(update={"tls_client_ca": tmp_path / "nonsense.pem"})):
            pass


async def test_a_file_that_is_missing_is_named(settings: ServerSettings, tmp_path: Path) -> None:
    for setting in "tls_cert", "tls_key", "tls_client_ca":
        with pytest.raises(StartupError, match=f"READSTATE_{setting.upper()}: cannot read the file"):
            async with app.running_server(settings.model_copy(update={setting: tmp_path / "missing.pem"})):
                pass


def presenting(pair: tuple[bytes, bytes] | None) -> Callable[[str, str], ReadState]:
    return lambda target, token: ReadState(target, token=token, root_certificates=OURS.certificate, client_pair=pair)


async def answers(settings: ServerSettings, client: Callable[[str, str], ReadState], host: str = "127.0.0.1") -> bool:
    """Whether the server answers."""
    token = tokens.sign(settings, user="ada")
    async with app.running_server(settings) as server, client(f"{host}:{server.port}", token) as ada:
        with pytest.raises((UnknownUser, Unavailable)) as raised:
            await ada.mark_read([1], timeout=5)
        return raised.type is UnknownUser


# ── Files that change ────────────────────────────────────────────────────────────────────────────────────────────────


class Running:
    """A server whose files are replaced while it runs."""

    def __init__(self, settings: ServerSettings, port: int) -> None:
        self._settings = settings
        self._port = port

    async def serves(self, trusted: Authority, pair: tuple[bytes, bytes] | None = None) -> bool:
        """Whether a new client is served."""
        target, token = f"localhost:{self._port}", tokens.sign(self._settings, user="ada")
        roots = trusted.certificate
        async with ReadState(target, token=token, root_certificates=roots, client_pair=pair) as ada:
            with pytest.raises((UnknownUser, Unavailable)) as raised:
                await ada.mark_read([1], timeout=5)
            return raised.type is UnknownUser

    def replace(self, setting: str, content: bytes) -> None:
        """As a tool does that renews certificates: the file is moved into place."""
        path = getattr(self._settings, setting)
        new = path.with_suffix(".new")
        new.write_bytes(content)
        new.replace(path)

    def replace_pair(self, issued: tuple[bytes, bytes]) -> None:
        key, chain = issued
        self.replace("tls_key", key)
        self.replace("tls_cert", chain)


async def test_a_new_certificate_is_shown_without_a_restart(settings: ServerSettings) -> None:
    async with app.running_server(settings) as server:
        running = Running(settings, server.port)
        assert await running.serves(OURS)
        assert not await running.serves(THEIRS)
        running.replace_pair(THEIRS.issue("server"))
        assert await running.serves(THEIRS)
        assert not await running.serves(OURS)


async def test_connections_outlive_the_certificate_that_they_began_with(settings: ServerSettings) -> None:
    token = tokens.sign(settings, user="ada")
    async with app.running_server(settings) as server, presenting(None)(f"localhost:{server.port}", token) as ada:
        for issuer in OURS, THEIRS:
            Running(settings, server.port).replace_pair(issuer.issue("server"))
            with pytest.raises(UnknownUser):
                await ada.mark_read([1])


async def test_files_that_cannot_be_used_change_nothing_and_are_told_once(
    settings: ServerSettings, logged: Callable[[], str]
) -> None:
    async with app.running_server(settings) as server:
        running = Running(settings, server.port)
        # The key alone: no longer that of the certificate.
        key, chain = THEIRS.issue("server")
        running.replace("tls_key", key)
        for _ in range(3):
            assert await running.serves(OURS)
        assert logged().count("the TLS files have changed and cannot be used") == 1
        running.replace("tls_cert", chain)
        assert await running.serves(THEIRS)
    assert "READSTATE_TLS_CERT and READSTATE_TLS_KEY" in logged()


async def test_a_file_that_goes_away_changes_nothing(settings: ServerSettings) -> None:
    assert settings.tls_cert is not None
    async with app.running_server(settings) as server:
        settings.tls_cert.unlink()
        assert await Running(settings, server.port).serves(OURS)


async def test_another_client_authority_holds_without_a_restart(mutual: ServerSettings) -> None:
    async with app.running_server(mutual) as server:
        running = Running(mutual, server.port)
        ours, theirs = OURS.issue("client"), THEIRS.issue("client")
        assert (await running.serves(OURS, ours), await running.serves(OURS, theirs)) == (True, False)
        running.replace("tls_client_ca", THEIRS.certificate)
        assert (await running.serves(OURS, ours), await running.serves(OURS, theirs)) == (False, True)
