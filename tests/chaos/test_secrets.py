"""Canaries where secrets go. None of them may come out in a log line, an error or a metric."""

import asyncio
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg
import grpc

from readstate.client import ReadState
from readstate.errors import ReadStateError
from readstate.identity import tokens
from tests.acceptance.processes import free_port
from tests.chaos.client import plain_channel
from tests.chaos.report import row
from tests.chaos.server import Server, environment
from tests.chaos.trial import SCOPES, Trial
from tests.conftest import settings_on

CANARY: Final = "canary8f3a"
"""Part of everything that is secret here, and of nothing else."""
SECRET: Final = f"{CANARY}-in-the-secret-that-signs-tokens"
MARK: Final = "/readstate.v1.SystemEventService/MarkRead"

# A database that quotes the row in its complaint, as real ones do.
LOUD: Final = """
CREATE FUNCTION loud() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN IF NEW.title LIKE '%loud%' THEN RAISE EXCEPTION '%', NEW; END IF; RETURN NEW; END $$;
CREATE TRIGGER loud BEFORE INSERT ON notification FOR EACH ROW EXECUTE FUNCTION loud();
CREATE TRIGGER loud BEFORE INSERT ON system_event FOR EACH ROW EXECUTE FUNCTION loud();
"""
LOUD_TITLE: Final = f"loud {CANARY}"


def with_password(database_url: str) -> str:
    """The URL, with a password that nobody asks for here."""
    parts = urlsplit(database_url)
    return parts._replace(netloc=parts.netloc.replace("postgres@", f"postgres:{CANARY}@")).geturl()


async def told(call: Any) -> str:
    """All that an error tells its caller: nothing where there is none."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return f"{error.details()} {error.trailing_metadata()} {error.debug_error_string()}"
    except ReadStateError as error:
        cause = error.__cause__
        metadata = cause.trailing_metadata() if isinstance(cause, grpc.aio.AioRpcError) else ""
        return f"{error} {metadata}"
    return ""


async def bad_tokens(port: int) -> list[str]:
    """What callers are told whose tokens are not valid."""
    good = tokens.sign(settings_on(""), user="ada", scope=SCOPES, org=None)
    values = [CANARY, f"Bearer {CANARY}", f"Bearer {CANARY}.{CANARY}.{CANARY}", f"Bearer {good}{CANARY}"]
    async with plain_channel(port) as channel:
        call: Any = channel.unary_unary(MARK)
        found = [await told(call(b"", metadata=(("authorization", value),))) for value in values]
        found.append(await told(call(CANARY.encode(), metadata=(("authorization", f"Bearer {good}"),))))
    return found


async def payloads(client: ReadState, title: str) -> list[str]:
    """What a caller is told who sends the canary wherever text goes."""
    actor = {"id": CANARY, "type": "ACTOR_TYPE_USER", "name": CANARY}
    event = {"type": CANARY, "title": title, "payload": {CANARY: CANARY}}
    calls = [
        client.record_system_events("acme", [event], idempotency_key=f"{CANARY}-{title}"),
        client.record_system_events("acme", [event | {"type": f"{CANARY}\0"}]),
        client.create_notifications(
            "acme", ["ada"], category=CANARY, title=title, body=CANARY, sender=actor, idempotency_key=f"k-{title}"
        ),
        client.create_notifications("acme", ["ada"], category=f"{CANARY}\n", title=title),
        client.notification(CANARY),
    ]
    return [await told(call) for call in calls]


async def with_the_database_gone(client: ReadState, database_url: str) -> list[str]:
    """What callers are told while the database ends every connection."""
    name = urlsplit(database_url).path.lstrip("/")
    ending = await asyncpg.connect(database_url, database="postgres")
    await ending.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    await ending.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()", name
    )
    try:
        return [*await payloads(client, f"gone {CANARY}"), await told(client.mark_read([1]))]
    finally:
        await ending.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await ending.close()


async def refused_start(trial: Trial) -> str:
    """What a server says that cannot reach its database."""
    url = f"postgresql://{CANARY}:{CANARY}@127.0.0.1:{free_port()}/nothing"
    variables = environment(url, READSTATE_ENGINE=trial.engine)
    process = await asyncio.create_subprocess_exec(
        *Server.COMMAND, env=variables, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 1
    return output.decode()


@row(
    injected="a canary in tokens, payloads, keys, secrets and the database's password, while calls fail in every way",
    expected="it is in no log line at the level debug, in no error and in no metric",
)
async def test_canary_secrets(trial: Trial, database_url: str) -> None:
    server = await trial.serve(with_password(database_url), READSTATE_LOG_LEVEL="debug")
    client = await trial.client("producer", server.port)
    await client.upsert_members({"ada": "acme", "producer": "acme"})
    admin = await asyncpg.connect(database_url)
    await admin.execute(LOUD)
    await admin.close()
    errors = [
        *await bad_tokens(server.port),
        *await payloads(client, CANARY),
        *await payloads(client, LOUD_TITLE),
        *await with_the_database_gone(client, database_url),
    ]
    metrics = await server.page("/metrics") or ""
    log = server.log.read_text()
    assert "INTERNAL" in log, "nothing has failed that quotes its row"
    for place, text in (
        ("an error", "\n".join(errors)),
        ("the log", log),
        ("the metrics", metrics),
        ("what a refused start says", await refused_start(trial)),
    ):
        trial.report.expect(CANARY not in text, f"the canary is in {place}")
    trial.report.note(f"{sum(map(bool, errors))} errors, {len(log.splitlines())} log lines, no canary in them")
