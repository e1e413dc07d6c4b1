"""Path → endpoints."""

import re
from collections.abc import Mapping
from typing import Final

from readstate.gateway.request import Endpoint, Request, Routes

UNKNOWN: Final = "unknown"
"""Stands in metrics for a path without a route, because its text could be anything."""


class Router:
    """Fixed paths, and templates such as `/v1/things/{id}`. A parameter holds no slash."""

    def __init__(self, routes: Routes) -> None:
        self._exact = {path: endpoints for path, endpoints in routes.items() if "{" not in path}
        self._templates = [
            (re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)), path, endpoints)
            for path, endpoints in routes.items()
            if "{" in path
        ]

    def find(self, request: Request) -> Mapping[str, Endpoint] | None:
        """The endpoints of the request's path, by method. Tells the request its route and parameters."""
        if (endpoints := self._exact.get(request.path)) is not None:
            request.route = request.path
            return endpoints
        for pattern, path, endpoints in self._templates:
            if match := pattern.fullmatch(request.path):
                request.route, request.parameters = path, match.groupdict()
                return endpoints
        return None
