"""TLS: the server's certificate and the authority of its clients, read again when their files change."""

import ssl
from pathlib import Path
from typing import Final, TypeAlias

import grpc
import structlog

from readstate.config import ServerSettings, read_file
from readstate.errors import StartupError

Stamp: TypeAlias = tuple[tuple[int, int, int], ...]
"""What changes when a file does, for each file: also where a link to it is replaced, as Kubernetes does."""

CERT: Final = "READSTATE_TLS_CERT"
KEY: Final = "READSTATE_TLS_KEY"
CLIENT_CA: Final = "READSTATE_TLS_CLIENT_CA"

log = structlog.get_logger("readstate.rpc")


def server_credentials(settings: ServerSettings) -> grpc.ServerCredentials | None:
    """What the listener shows and asks for, or None for plain text.

    Raises:
        StartupError: a file cannot be read, or holds nothing of use.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    files = CertificateFiles(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
    return grpc.dynamic_ssl_server_credentials(
        files.read(),
        files.changed,  # type: ignore[arg-type]  # the stubs know of no None, grpc's docstring does
        settings.tls_client_ca is not None,
    )


class CertificateFiles:
    """The files of the TLS settings."""

    def __init__(self, cert: Path, key: Path, client_ca: Path | None) -> None:
        self._cert = cert
        self._key = key
        self._client_ca = client_ca
        self._seen: Stamp | None = None

    def read(self) -> grpc.ServerCertificateConfiguration:
        """What the files hold now.

        Raises:
            StartupError: a file cannot be read, or they do not hold a certificate, its key and an authority.
        """
        # Taken first: what is replaced meanwhile counts as changed.
        self._seen = self._stamp()
        pair = read_file(self._key, KEY), read_file(self._cert, CERT)
        client_ca = read_file(self._client_ca, CLIENT_CA) if self._client_ca else None
        self._require_usable()
        return grpc.ssl_server_certificate_configuration([pair], client_ca)

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """What the files hold, if they have changed and are of use; None to go on with what was read last.

        gRPC calls this before each handshake, in a thread of its own. Never raises: the handshake would fail.
        """
        if self._stamp() == self._seen:
            return None
        try:
            found = self.read()
        except StartupError as error:
            # Half replaced, perhaps: they are looked at again once they have changed again.
            log.error("the TLS files have changed and cannot be used", reason=str(error))
            return None
        if self._stamp() != self._seen:
            return None  # being replaced right now: the next handshake looks
        log.info("the TLS files have changed")
        return found

    def _stamp(self) -> Stamp:
        return tuple(_stamp(path) for path in (self._cert, self._key, self._client_ca) if path is not None)

    def _require_usable(self) -> None:
        # grpc would say no more than that it cannot listen, or fail the handshake.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        blamed = f"{CERT} and {KEY}: not a certificate and its unencrypted private key"
        try:
            context.load_cert_chain(self._cert, self._key, password="")
            if self._client_ca is not None:
                blamed = f"{CLIENT_CA}: no certificate"
                context.load_verify_locations(self._client_ca)
        except (ssl.SSLError, OSError) as error:
            raise StartupError(f"{blamed}, in PEM") from error


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return found.st_ino, found.st_mtime_ns, found.st_size
