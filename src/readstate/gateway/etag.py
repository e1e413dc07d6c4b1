"""Answers that a client need not be sent again while they are the same (RFC 9110, sections 8.8.3 and 13.1.2)."""

import hashlib
import re
from typing import Final

from starlette.responses import Response

from readstate.gateway.request import Request

# What is stored has to be asked for again, and only by whom it was made for.
_HEADERS: Final = {"cache-control": "private, no-cache", "vary": "Authorization"}

_TAGS: Final = re.compile(rb'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def validated(response: Response, request: Request) -> Response:
    """A successful answer to GET or HEAD with its `ETag`; without its body where the client says that it has it."""
    tag = f'"{hashlib.blake2b(response.body, digest_size=12).hexdigest()}"'
    headers = {"etag": tag, **_HEADERS}
    if _has(request, tag.encode()):
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return response


def _has(request: Request, tag: bytes) -> bool:
    """Whether `If-None-Match` names the tag. The comparison is weak: what makes a tag weak does not matter."""
    given = [value for name, value in request.scope["headers"] if name == b"if-none-match"]
    return any(value.strip() == b"*" or tag in _TAGS.findall(value) for value in given)
