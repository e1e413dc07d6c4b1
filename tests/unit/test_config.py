"""Every gap in the settings is named, and no value is shown."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from readstate.config import CheckSettings, DatabaseSettings, GatewaySettings, ServerSettings, TokenSettings, load
from readstate.errors import StartupError

SECRET = "canary-" * 5
WHOLE = {
    "READSTATE_DATABASE_URL": "postgresql://u:canary-password@db/readstate",
    "READSTATE_TOKEN_ISSUER": "https://id.example",
    "READSTATE_TOKEN_AUDIENCE": "readstate",
    "READSTATE_TOKEN_SECRET": SECRET,
}


@pytest.fixture(autouse=True)
def whole(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("READSTATE_")]:
        monkeypatch.delenv(name)
    for name, value in WHOLE.items():
        monkeypatch.setenv(name, value)


def refusal() -> str:
    with pytest.raises(StartupError) as raised:
        load(ServerSettings)
    message = str(raised.value)
    assert "canary" not in message
    assert "\n" not in message
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    return message


def test_a_whole_configuration_loads_with_the_documented_defaults() -> None:
    settings = load(ServerSettings)
    assert settings.listen == "127.0.0.1:50051"
    assert settings.admin_listen == "127.0.0.1:9090"
    assert settings.directory == "database"
    assert settings.token_org_claim == "org_id"


@pytest.mark.parametrize("name", ["READSTATE_DATABASE_URL", "READSTATE_TOKEN_ISSUER", "READSTATE_TOKEN_AUDIENCE"])
def test_a_missing_setting_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name)
    assert f"{name} is not set" in refusal()


def test_an_empty_setting_is_a_missing_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READSTATE_TOKEN_ISSUER", "")
    assert "READSTATE_TOKEN_ISSUER is not set" in refusal()


def test_every_gap_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("READSTATE_DATABASE_URL")
    monkeypatch.delenv("READSTATE_TOKEN_AUDIENCE")
    message = refusal()
    assert "READSTATE_DATABASE_URL" in message
    assert "READSTATE_TOKEN_AUDIENCE" in message


def test_a_missing_key_source_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("READSTATE_TOKEN_SECRET")
    message = refusal()
    for name in ("READSTATE_TOKEN_SECRET", "READSTATE_TOKEN_PUBLIC_KEY", "READSTATE_TOKEN_JWKS_URL"):
        assert name in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("READSTATE_TOKEN_PUBLIC_KEY", "/canary.pem"),
        ("READSTATE_TOKEN_JWKS_URL", "https://canary.example/jwks.json"),
    ],
)
def test_two_key_sources_are_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert "exactly one of" in refusal()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("READSTATE_TOKEN_SECRET", "canary-of-31-bytes-------------"),
        ("READSTATE_TOKEN_SECOND_SECRET", "canary-of-31-bytes-------------"),
        ("READSTATE_TOKEN_JWKS_URL", "canary.example/jwks.json"),
        ("READSTATE_TOKEN_JWKS_URL", "file:///canary"),
        ("READSTATE_OTLP_ENDPOINT", "http://canary:canary@collector:4317"),
        ("READSTATE_TOKEN_LEEWAY", "31"),
        ("READSTATE_TOKEN_LEEWAY", "nan"),
        ("READSTATE_TOKEN_LEEWAY", "-1"),
        ("READSTATE_LISTEN", "canary"),
        ("READSTATE_LISTEN", "canary:"),
        ("READSTATE_LISTEN", "canary:65536"),
        ("READSTATE_LISTEN", "canary:-1"),
        ("READSTATE_LISTEN", ":50051"),
        ("READSTATE_LISTEN", f"{SECRET * 2}.example:1"),
        ("READSTATE_LISTEN", "canary..example:1"),
        ("READSTATE_ADMIN_LISTEN", "canary:http"),
        ("READSTATE_DIRECTORY", "canary"),
        ("READSTATE_MIGRATE", "canary"),
        ("READSTATE_POOL_SIZE", "0"),
        ("READSTATE_POOL_SIZE", "canary"),
        ("READSTATE_STATEMENT_CACHE_SIZE", "-1"),
        ("READSTATE_MAX_IN_FLIGHT", "0"),
        ("READSTATE_MAX_CONCURRENT_STREAMS", "0"),
        ("READSTATE_MAX_CONCURRENT_STREAMS", "2147483648"),
        ("READSTATE_MAX_CONNECTION_AGE", "-1"),
        ("READSTATE_MAX_CONNECTION_AGE", "86401"),
        ("READSTATE_MAX_CONNECTION_AGE", "inf"),
        ("READSTATE_MAX_CONNECTION_AGE", "nan"),
        ("READSTATE_DRAIN_DELAY", "-1"),
        ("READSTATE_DRAIN_DELAY", "inf"),
        ("READSTATE_DRAIN_GRACE", "6"),
        ("READSTATE_LOG_LEVEL", "canary"),
        ("READSTATE_LOG_FORMAT", "canary"),
        ("READSTATE_TRACE_RATIO", "-0.1"),
        ("READSTATE_TRACE_RATIO", "2"),
        ("READSTATE_TRACE_RATIO", "canary"),
        ("READSTATE_LOG_SUCCESSES", "-0.1"),
        ("READSTATE_LOG_SUCCESSES", "1.1"),
        ("READSTATE_LOG_SUCCESSES", "nan"),
    ],
)
def test_a_value_that_is_not_valid_is_named_but_not_shown(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert name in refusal()


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("https://canary@id.example/", "a URL without a user and a password"),
        ("https://user:canary@id.example/", "a URL without a user and a password"),
        ("https://id.example/ canary", "a URL without white space and control characters"),
        ("https://id.example/canary\n", "a URL without white space and control characters"),
        ("https://id.example/\x1bcanary", "a URL without white space and control characters"),
        ("https://id.example/canary\u2028", "a URL without white space and control characters"),
        ("https://id.example:canary/jwks.json", "an http or https URL"),
        ("https://id.example:65536/canary", "an http or https URL"),
        ("https://canary\uff0f.example/jwks.json", "an http or https URL"),
        ("https://[canary/jwks.json", "an http or https URL"),
        ("https://:443/canary", "an http or https URL"),
        ("file:///canary", "an http or https URL"),
    ],
)
def test_what_is_wrong_with_a_url_is_said(url: str, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("READSTATE_TOKEN_SECRET")
    monkeypatch.setenv("READSTATE_TOKEN_JWKS_URL", url)
    assert refusal() == f"READSTATE_TOKEN_JWKS_URL: must be {fault}"


@pytest.mark.parametrize("origin", ["https://canary\uff0f.example", "https://[canary", "https://app.example:canary"])
def test_an_origin_that_is_none_is_not_shown(origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READSTATE_CORS_ORIGINS", origin)
    with pytest.raises(StartupError, match=r"^READSTATE_CORS_ORIGINS: must be origins as browsers") as raised:
        load(GatewaySettings)
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize(
    ("second", "first"),
    [
        ("READSTATE_TOKEN_SECOND_SECRET", "READSTATE_TOKEN_SECRET"),
        ("READSTATE_TOKEN_SECOND_PUBLIC_KEY", "READSTATE_TOKEN_PUBLIC_KEY"),
    ],
)
def test_a_second_key_needs_a_first_one_of_its_kind(second: str, first: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("READSTATE_TOKEN_SECRET")
    monkeypatch.setenv("READSTATE_TOKEN_JWKS_URL", "https://id.example/jwks.json")
    monkeypatch.setenv(second, SECRET)
    assert refusal() == f"{second} needs {first}"


@pytest.mark.parametrize("missing", ["READSTATE_TLS_CERT", "READSTATE_TLS_KEY"])
def test_half_a_tls_pair_is_refused(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in {"READSTATE_TLS_CERT", "READSTATE_TLS_KEY"} - {missing}:
        monkeypatch.setenv(name, "/canary.pem")
    assert missing in refusal()


def test_a_client_ca_without_tls_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READSTATE_TLS_CLIENT_CA", "/canary.pem")
    assert "READSTATE_TLS_CLIENT_CA needs" in refusal()


def test_given_values_take_precedence_over_the_environment() -> None:
    settings = load(TokenSettings, token_issuer="other", token_secret=None, token_public_key=Path("key.pem"))
    assert settings.token_issuer == "other"
    assert settings.token_secret is None


def test_a_command_asks_only_for_the_settings_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in WHOLE:
        monkeypatch.delenv(name)
    assert load(CheckSettings).listen == "127.0.0.1:50051"
    monkeypatch.setenv("READSTATE_DATABASE_URL", "postgresql://db/readstate")
    load(DatabaseSettings)


def test_settings_do_not_change_and_do_not_show_their_secrets() -> None:
    settings = load(ServerSettings)
    assert "canary" not in repr(settings)
    with pytest.raises(ValidationError):
        settings.listen = "elsewhere:1"


def test_starting_read_is_for_members_whom_nobody_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READSTATE_START_READ", "true")
    assert refusal() == "READSTATE_START_READ is for READSTATE_DIRECTORY=claims; with database, upserts say it"
    monkeypatch.setenv("READSTATE_DIRECTORY", "claims")
    assert load(ServerSettings).start_read


def test_organizations_that_write_apart_have_connections_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(DatabaseSettings).pool_size == 8
    monkeypatch.setenv("READSTATE_BATCH", "organization")
    assert load(DatabaseSettings).pool_size == 40
    monkeypatch.setenv("READSTATE_POOL_SIZE", "12")
    assert load(DatabaseSettings).pool_size == 12
