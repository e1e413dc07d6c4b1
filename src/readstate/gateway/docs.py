"""`/openapi.yaml`, and `/docs`, which renders it with Swagger UI from files of this package.

swagger_ui/ holds unchanged files of the npm package swagger-ui-dist. Only page.html, page.css and start.js are ours. To
update: `npm pack swagger-ui-dist`, then copy the files.
"""

from importlib.resources import files
from typing import Final

from starlette.responses import Response

from readstate.gateway.request import Endpoint, Request, Routes

_FILES: Final = {
    "/openapi.yaml": ("openapi.yaml", "application/yaml"),  # RFC 9512
    "/docs": ("swagger_ui/page.html", "text/html"),
    "/docs/start.js": ("swagger_ui/start.js", "text/javascript"),
    "/docs/page.css": ("swagger_ui/page.css", "text/css"),
    "/docs/swagger-ui-bundle.js": ("swagger_ui/swagger-ui-bundle.js", "text/javascript"),
    "/docs/swagger-ui.css": ("swagger_ui/swagger-ui.css", "text/css"),
}
# The browser lets the page talk to this server only, whatever a release of Swagger UI tries.
_HEADERS: Final = {
    "content-security-policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
}


def routes() -> Routes:
    return {path: {"GET": _file(name, media_type)} for path, (name, media_type) in _FILES.items()}


def _file(name: str, media_type: str) -> Endpoint:
    file = files(__package__).joinpath(name)

    async def get(_: Request) -> Response:
        # Read each time: people look at the page seldom, and its files would be 2 MB of every gateway's memory.
        return Response(file.read_bytes(), media_type=media_type, headers=_HEADERS)

    return get
