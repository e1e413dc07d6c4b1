"""deploy/transcoding/envoy.yaml, run as it is: only addresses are put in."""

import asyncio
import base64
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.rpc import error_details_pb2, status_pb2

from readstate.config import ServerSettings
from readstate.gateway import app as gateway_app
from readstate.identity import tokens
from readstate.server.app import RunningServer
from readstate.v1 import system_events_pb2 as pb
from tests.acceptance.processes import free_port
from tests.gateway.conftest import settings_for
from tests.tools import tool
from tests.waiting import until_answered

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "deploy" / "transcoding" / "envoy.yaml"
MARK_READ = "/readstate.v1.SystemEventService/MarkRead"
COUNT = "/v1/system-events/unread-count"
MARK_ALL = "/v1/system-events/actions/mark-all-read"
UNDO = "/v1/system-events/actions/undo-mark-all-read"


@pytest.fixture
async def envoy(server: RunningServer) -> AsyncIterator[str]:
    """The address of an Envoy in front of the server."""
    program, port = tool("envoy", required_by="ENVOY"), free_port()
    text = CONFIG.read_text().replace("port_value: 8081", f"port_value: {port}")
    config = text.replace("port_value: 50051", f"port_value: {server.port}")
    options = ["--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warning", "--config-yaml", config]
    with tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(program, *options, cwd=ROOT, stdout=log, stderr=log)

        async def listens() -> bool:
            assert process.returncode is None, os.pread(log.fileno(), 1 << 16, 0).decode()
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                return False
            writer.close()
            return True

        try:
            await until_answered(listens, within=30)
            yield f"http://127.0.0.1:{port}"
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


@pytest.fixture
async def rest(envoy: str, settings: ServerSettings, demo_data: None) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {tokens.sign(settings, user='ada')}"}
    async with httpx.AsyncClient(base_url=envoy, headers=headers, timeout=10, trust_env=False) as client:
        yield client


@pytest.fixture
async def gateway(
    server: RunningServer, settings: ServerSettings, rest: httpx.AsyncClient
) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        gateway_app.running_gateway(settings_for(server.port)) as (port, _),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=rest.headers, trust_env=False) as client,
    ):
        yield client


def numbers(reply: dict[str, Any]) -> dict[str, Any]:
    """A reply whose numbers of 64 bits are numbers: protobuf's JSON writes them as text."""
    return reply | {name: int(reply[name]) for name in ("head", "version") if name in reply}


async def test_annotated_methods_answer_as_the_gateway_does(
    rest: httpx.AsyncClient, gateway: httpx.AsyncClient
) -> None:
    assert numbers((await rest.get(COUNT)).json()) == (await gateway.get(COUNT)).json()
    marked = (await rest.post(MARK_ALL, json={"up_to": 3})).json()
    undone = (await rest.post(UNDO, json={"undo_token": marked["undo_token"]})).json()
    again = (await gateway.post(MARK_ALL, json={"up_to": 3})).json()
    expected = (await gateway.post(UNDO, json={"undo_token": again["undo_token"]})).json()
    assert {**numbers(marked), "version": 0} == {**again, "version": 0}
    assert {**numbers(undone), "version": 0} == {**expected, "version": 0}


async def test_every_method_is_reached_by_its_name(rest: httpx.AsyncClient) -> None:
    reply = await rest.post(MARK_READ, json={"event_ids": [1, 2]})
    assert reply.json() == {"changed_count": 2, "matched_count": 2, "version": "1"}


async def test_an_error_carries_its_details(rest: httpx.AsyncClient) -> None:
    refused = await rest.post(MARK_READ, json={"event_ids": []})
    assert refused.status_code == 400
    assert refused.json()["message"] == "Missing or invalid id or ids"
    details = {detail["@type"].rpartition(".")[2]: detail for detail in refused.json()["details"]}
    assert details["ErrorInfo"]["reason"] == "INVALID_EVENT_IDS"
    assert details["RequestInfo"]["request_id"]


async def test_what_is_no_method_is_refused(rest: httpx.AsyncClient) -> None:
    assert (await rest.post("/v1/nothing", json={})).status_code == 404
    assert (await rest.get(COUNT, params={"unknown": "1"})).status_code == 400


def frame(message: pb.MarkReadRequest) -> bytes:
    data = message.SerializeToString()
    return b"\0" + len(data).to_bytes(4) + data


def frames(body: bytes) -> tuple[list[bytes], dict[str, str]]:
    """The messages of an answer, and its trailers."""
    messages, trailers = [], {}
    while body:
        flag, size = body[0], int.from_bytes(body[1:5])
        content, body = body[5 : 5 + size], body[5 + size :]
        if flag & 0x80:
            lines = content.decode().split("\r\n")
            trailers = dict(line.split(":", 1) for line in lines if line)
        else:
            messages.append(content)
    return messages, trailers


async def test_a_browser_marks_by_grpc_web(rest: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1", "origin": "http://localhost:5173"}
    request = frame(pb.MarkReadRequest(event_ids=[1, 2, 3]))
    answer = await rest.post(MARK_READ, content=request, headers=headers)
    (message,), trailers = frames(answer.content)
    assert pb.MarkReadResponse.FromString(message).changed_count == 3
    assert trailers["grpc-status"].strip() == "0"
    assert answer.headers["access-control-allow-origin"] == "http://localhost:5173"


async def test_an_error_by_grpc_web_carries_its_details(rest: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
    answer = await rest.post(MARK_READ, content=frame(pb.MarkReadRequest()), headers=headers)
    # An answer without a message has its trailers in its headers.
    encoded = answer.headers["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(base64.b64decode(encoded + "=" * (-len(encoded) % 4)))
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in status.details)
    assert info.reason == "INVALID_EVENT_IDS"
