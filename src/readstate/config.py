"""Settings, read from the environment with the prefix READSTATE_. No other module of ours reads settings there.

Libraries read variables of their own: aiohttp reads `https_proxy`. `cli` sets variables of gRPC. The embedded
PostgreSQL gets the environment without the variables that would change it.

A gap or a contradiction raises StartupError. It names the setting and never shows a value, because values may be
secrets.
"""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self, TypeVar
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from readstate.errors import StartupError

PREFIX = "READSTATE_"
LARGEST_INT32: Final = 2**31 - 1
"""gRPC takes no larger number."""
LONGEST_SECONDS: Final = 86_400
"""Seconds: a day. gRPC can hold it in milliseconds."""

POOL_OF_ORGANIZATIONS: Final = 40

LONGEST_AGE: Final = 36_500 * 86_400
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_AGE: Final = re.compile(r"(?P<number>[0-9]{1,12})(?P<unit>[smhd])", re.ASCII)

_S = TypeVar("_S", bound="_Environment")


def _listen_address(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("must be HOST:PORT, as in 127.0.0.1:50051 or [::]:50051")
    try:
        host.encode("idna")
    except UnicodeError:
        raise ValueError("must be HOST:PORT, and HOST is no host's name") from None
    return value


def _long_enough(value: SecretStr) -> SecretStr:
    # RFC 7518, section 3.2: a key of the same size as the hash output or larger.
    if len(value.get_secret_value().encode()) < 32:
        raise ValueError("must be at least 32 bytes long")
    return value


def _http_url(value: str) -> str:
    # urlsplit drops some of these, and says nothing.
    if " " in value or not value.isprintable():
        raise ValueError("must be a URL without white space and control characters")
    parts = _split(value)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http or https URL")
    if "@" in parts.netloc:
        raise ValueError("must be a URL without a user and a password")
    return value


def _split(url: str) -> SplitResult | None:
    """The parts of a URL, or None if it is not a URL. The errors of urlsplit quote the value, so they are not shown."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _age(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = _AGE.fullmatch(value)
    if found is None or not (seconds := int(found["number"]) * _UNITS[found["unit"]]) or seconds > LONGEST_AGE:
        raise ValueError("must be a whole number and a unit, s, m, h or d, as in 180d; at most 36500d")
    return timedelta(seconds=seconds)


def _words(value: object) -> object:
    return value.replace(",", " ").split() if isinstance(value, str) else value


def _origins(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        parts = _split(value)
        if value != "*" and (parts is None or not parts.netloc or value != f"{parts.scheme}://{parts.netloc.lower()}"):
            raise ValueError("must be origins as browsers send them, as in https://app.example, or *")
    return values


ListenAddress = Annotated[str, AfterValidator(_listen_address)]
Secret = Annotated[SecretStr, AfterValidator(_long_enough)]
Age = Annotated[timedelta, BeforeValidator(_age)]
Seconds = Annotated[float, Field(ge=0, le=LONGEST_SECONDS)]
Ratio = Annotated[float, Field(ge=0, le=1)]


class _Environment(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, env_ignore_empty=True)


class LogSettings(_Environment):
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = "auto"
    """`auto` is readable colours on a terminal, JSON elsewhere."""


class ObservedSettings(LogSettings):
    """How one sees what a server or a gateway does."""

    otlp_endpoint: Annotated[str, AfterValidator(_http_url)] | None = None
    """An OpenTelemetry collector (OTLP over gRPC) that traces are sent to. Needs the extra `otel`."""
    trace_ratio: Ratio = 0.01
    """The part of the calls that are traced, where the caller has not decided. Tracing all doubles a call's CPU."""
    log_successes: Ratio = 1
    """The part of the successful calls that have a line in the log. Failures always have one."""


class DatabaseSettings(LogSettings):
    database_url: SecretStr
    """A libpq connection URI. Several hosts and `target_session_attrs=read-write` are understood."""
    batch: Literal["mixed", "organization"] = "mixed"
    """What a statement may hold: calls of several organisations, or of one, which it names. The second is for a
    database that is sharded by organisation."""
    pool_size: int = Field(default=8, ge=1, le=1000)
    """40 with batches of one organisation: as many organisations write at once."""
    statement_cache_size: int = Field(default=100, ge=0)
    """0 for a PgBouncer older than 1.21 or without max_prepared_statements."""

    @model_validator(mode="before")
    @classmethod
    def _organizations_write_at_once(cls, given: dict[str, object]) -> dict[str, object]:
        return {"pool_size": POOL_OF_ORGANIZATIONS} | given if given.get("batch") == "organization" else given


class RetentionSettings(DatabaseSettings):
    prune_events_older_than: Age | None = None
    """By when they were recorded. None keeps all."""
    prune_notifications_older_than: Age | None = None
    """By when they were created. None keeps all."""
    prune_unread_notifications: bool = False
    """Whether old notifications go although they are neither read nor dismissed."""


class KeySettings(_Environment):
    """Where the keys that verify tokens come from."""

    token_secret: Secret | None = None
    token_public_key: Path | None = None
    """A PEM file: RSA (RS256), P-256 (ES256) or Ed25519 (EdDSA)."""
    token_jwks_url: Annotated[str, AfterValidator(_http_url)] | None = None
    token_second_secret: Secret | None = None
    token_second_public_key: Path | None = None
    """Tokens signed with this key are accepted as well: for the time in which issuers change from one to the other."""

    KEY_SOURCES: ClassVar = ("token_secret", "token_public_key", "token_jwks_url")

    @model_validator(mode="after")
    def _exactly_one_key_source(self) -> Self:
        given = [name for name in self.KEY_SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            names = ", ".join((PREFIX + name).upper() for name in self.KEY_SOURCES)
            raise ValueError(f"exactly one of {names} must be set, not {len(given)}")
        return self

    @model_validator(mode="after")
    def _second_key_is_of_the_same_kind(self) -> Self:
        if self.token_second_secret is not None and self.token_secret is None:
            raise ValueError("READSTATE_TOKEN_SECOND_SECRET needs READSTATE_TOKEN_SECRET")
        if self.token_second_public_key is not None and self.token_public_key is None:
            raise ValueError("READSTATE_TOKEN_SECOND_PUBLIC_KEY needs READSTATE_TOKEN_PUBLIC_KEY")
        return self


class TokenSettings(LogSettings, KeySettings):
    token_issuer: str = Field(min_length=1)
    token_audience: str = Field(min_length=1)
    token_org_claim: str = Field(default="org_id", min_length=1)
    token_leeway: float = Field(default=10, ge=0, le=30)


class TokenParts(_Environment):
    """Issuer, audience and key, as far as the environment sets them: `model_fields_set` has their names."""

    token_issuer: str = ""
    token_audience: str = ""
    token_secret: SecretStr = SecretStr("")
    token_public_key: str = ""
    token_jwks_url: str = ""
    token_second_secret: SecretStr = SecretStr("")
    token_second_public_key: str = ""


class DirectorySettings(DatabaseSettings):
    directory: Literal["database", "claims"] = "database"


class ServerSettings(ObservedSettings, RetentionSettings, DirectorySettings, TokenSettings):
    engine: Literal["grpcio", "native"] = "grpcio"
    listen: ListenAddress = "127.0.0.1:50051"
    admin_listen: ListenAddress = "127.0.0.1:9090"
    start_read: bool = False
    """With `claims`: who is seen in an organisation for the first time finds its events read."""
    migrate: bool = True
    """Whether the start brings the database to this release's schema. If not, the role needs no right but to select,
    insert, update and delete."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    """Certificates of clients must be signed by this CA: mutual TLS."""
    max_in_flight: int = Field(default=2000, ge=1)
    """Calls served at once; a further one is answered RESOURCE_EXHAUSTED."""
    max_concurrent_streams: int = Field(default=100, ge=1, le=LARGEST_INT32)
    """Calls at once on one connection; HTTP/2 makes a further one wait in the client."""
    max_streams: int = Field(default=20_000, ge=1)
    """Streams of WatchUnread open at once. They take none of the places for calls."""
    max_connection_age: Seconds | None = None
    """Seconds until a client is asked to connect again, so that load is balanced again. 0 means never. The default is
    1800 with the engine grpcio. The engine native cannot do it."""
    drain_delay: Seconds = 3
    """Seconds to keep serving after SIGTERM, while load balancers learn that this server leaves."""
    drain_grace: float = Field(default=5, ge=0, le=5)
    """After that, calls in flight have this many seconds to finish."""

    @model_validator(mode="after")
    def _start_read_is_for_claims(self) -> Self:
        if self.start_read and self.directory != "claims":
            raise ValueError("READSTATE_START_READ is for READSTATE_DIRECTORY=claims; with database, upserts say it")
        return self

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("READSTATE_TLS_CERT and READSTATE_TLS_KEY go together: one of them is missing")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise ValueError("READSTATE_TLS_CLIENT_CA needs READSTATE_TLS_CERT and READSTATE_TLS_KEY")
        return self

    @model_validator(mode="after")
    def _engine_can_do_it(self) -> Self:
        if self.engine == "native" and self.tls_cert is not None:
            raise ValueError("READSTATE_ENGINE=native has no TLS: unset READSTATE_TLS_CERT or use grpcio")
        if self.engine == "native" and self.max_connection_age:
            raise ValueError(
                "READSTATE_ENGINE=native cannot end connections by age: unset READSTATE_MAX_CONNECTION_AGE"
            )
        return self


class GatewaySettings(ObservedSettings):
    gateway_listen: ListenAddress = "127.0.0.1:8080"
    gateway_admin_listen: ListenAddress = "127.0.0.1:9091"
    gateway_max_connections: int = Field(default=10_000, ge=1)
    """Open connections of clients; a further one is answered 503 and closed. The process needs as many open files."""
    upstream: str = Field(default="127.0.0.1:50051", min_length=1)
    """The gRPC server, as gRPC names targets: HOST:PORT, or dns:///HOST:PORT to use every address of a name in turn."""
    upstream_tls: bool = False
    """TLS, with the certificates that this machine trusts. Each of the next three settings turns it on."""
    upstream_ca: Path | None = None
    """A PEM file: the CA that must have signed the server's certificate, instead of the CAs that this machine
    trusts."""
    upstream_cert: Path | None = None
    upstream_key: Path | None = None
    """The gateway's own certificate and key, for mutual TLS."""
    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words), AfterValidator(_origins)] = ()
    """Web origins whose pages may call, separated by commas, or `*` for all. None: no CORS headers at all."""
    drain_delay: Seconds = 3
    drain_grace: float = Field(default=5, ge=0, le=5)
    """As for the server: seconds to keep serving after SIGTERM, and then seconds for requests in flight."""

    @model_validator(mode="after")
    def _client_pair_is_whole(self) -> Self:
        if (self.upstream_cert is None) != (self.upstream_key is None):
            raise ValueError("READSTATE_UPSTREAM_CERT and READSTATE_UPSTREAM_KEY go together: one of them is missing")
        return self


class CheckSettings(LogSettings):
    listen: ListenAddress = "127.0.0.1:50051"
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None


class DevSettings(LogSettings):
    database_url: SecretStr | None = None
    """None for the embedded PostgreSQL."""


def load(kind: type[_S], **values: object) -> _S:
    """Read `kind` from the environment; `values` take precedence over it.

    Raises:
        StartupError: a setting is missing or not valid. The message names every one, and shows no value.
    """
    try:
        return kind(**values)
    except ValidationError as error:
        # `from None`: the original shows the values, secrets among them.
        lines = dict.fromkeys([*_explain(error), *_key_source_gaps(kind, values)])
        raise StartupError("; ".join(lines)) from None


def read_file(path: Path, setting: str) -> bytes:
    """The content of the file that `setting` names.

    Raises:
        StartupError: it cannot be read. Names the setting, not the file.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise StartupError(f"{setting}: cannot read the file: {error.strerror}") from error


def _key_source_gaps(kind: type[_Environment], values: dict[str, object]) -> list[str]:
    # If a field is wrong, pydantic does not check the rules for several fields. The gap would be found only next time.
    if not issubclass(kind, KeySettings):
        return []
    try:
        KeySettings(**{name: values[name] for name in KeySettings.KEY_SOURCES if name in values})  # type: ignore[arg-type]
    except ValidationError as error:
        return _explain(error)
    return []


def _explain(error: ValidationError) -> list[str]:
    lines = []
    for detail in error.errors(include_input=False, include_url=False):
        message = detail["msg"].removeprefix("Value error, ")
        if not detail["loc"]:
            lines.append(message)
            continue
        name = (PREFIX + str(detail["loc"][0])).upper()
        lines.append(f"{name} is not set" if detail["type"] == "missing" else f"{name}: {message}")
    return lines
