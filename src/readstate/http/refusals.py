"""Answers that no app gives: the connection itself refuses, and closes."""

import json
from typing import Final


def _refusal(status: str, message: str) -> bytes:
    body = json.dumps({"error": message}, separators=(",", ":"))
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close"
    return f"{head}\r\n\r\n{body}".encode()


BAD_REQUEST: Final = _refusal("400 Bad Request", "Invalid HTTP request received.")
HEAD_TOO_LARGE: Final = _refusal("431 Request Header Fields Too Large", "Request header fields too large")
TOO_MANY_CONNECTIONS: Final = _refusal("503 Service Unavailable", "Too many connections")
