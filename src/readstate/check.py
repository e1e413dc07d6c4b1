"""Asks a server whether it is serving, with `grpc.health.v1`."""

from typing import Final

import grpc
from cryptography import x509
from cryptography.x509.oid import NameOID
from grpc_health.v1 import health_pb2, health_pb2_grpc

from readstate.config import CheckSettings, read_file
from readstate.errors import StartupError

SECONDS: Final = 3.0
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]", "::": "[::1]"}  # noqa: S104 - read, not bound


def reachable(address: str) -> str:
    """The address at which a client on this machine reaches a server that listens on `address`."""
    host, _, port = address.rpartition(":")
    return f"{_LOOPBACK.get(host, host)}:{port}"


def require_serving(settings: CheckSettings) -> None:
    """Ask for the overall health.

    Raises:
        StartupError: the server does not answer within `SECONDS`, or is not serving.
    """
    address = reachable(settings.listen)
    with _channel(address, settings) as channel:
        try:
            stub = health_pb2_grpc.HealthStub(channel)
            reply = stub.Check(health_pb2.HealthCheckRequest(), timeout=SECONDS)  # type: ignore[attr-defined]
        except grpc.RpcError as error:
            raise StartupError(f"{address} does not answer: {error.code().name}") from None
    if reply.status != health_pb2.HealthCheckResponse.SERVING:
        raise StartupError(f"{address} is {health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)}")


def _channel(address: str, settings: CheckSettings) -> grpc.Channel:
    # Never through a proxy: the server is on this machine, or its address is given.
    options: list[tuple[str, int | str]] = [("grpc.enable_http_proxy", 0)]
    if settings.tls_cert is None:
        return grpc.insecure_channel(address, options)
    certificate = read_file(settings.tls_cert, "READSTATE_TLS_CERT")
    key = read_file(settings.tls_key, "READSTATE_TLS_KEY") if settings.tls_client_ca and settings.tls_key else None
    # We trust the server's own certificate, under its own name. With mutual TLS we also show it as ours: the client CA
    # accepts it if it has signed it.
    credentials = grpc.ssl_channel_credentials(certificate, key, certificate if key else None)
    options.append(("grpc.ssl_target_name_override", _name(certificate)))
    return grpc.secure_channel(address, credentials, options)


def _name(certificate: bytes) -> str:
    try:
        parsed = x509.load_pem_x509_certificate(certificate)
    except ValueError:
        raise StartupError("READSTATE_TLS_CERT is not a PEM certificate") from None
    try:
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        subject = parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(subject[0].value) if subject else "localhost"
    dns = names.get_values_for_type(x509.DNSName)
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return (dns + addresses + ["localhost"])[0].replace("*", "check")
