"""gRPC channels to our servers: what the Python client and the gateway have in common."""

import json
from collections.abc import Mapping
from typing import Any, Final

AUTHORITY: Final = "readstate"
"""What a server is called where a target lists addresses, as `ipv4:10.0.0.1:443,10.0.0.2:443` does. Its certificate, if
it has one, must name `readstate`."""

_RECONNECTING: Final = [
    # A server that is back is found within a second, before the next one of a rolling restart stops.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.min_reconnect_backoff_ms", 2_000),  # the time that an attempt to connect has
    ("grpc.dns_min_time_between_resolutions_ms", 2_000),
]


def options(target: str, service_config: Mapping[str, Any]) -> list[tuple[str, str | int]]:
    """Options of a channel to `target`, which may lead to several servers; `service_config` says what is retried."""
    config = {"loadBalancingConfig": [{"round_robin": {}}], **service_config}
    if _may_name_several(target):
        # A server that says that it is not serving gets no further call: it is about to stop. Where there is one
        # address alone, as of a load balancer, that would leave none to call.
        config["healthCheckConfig"] = {"serviceName": ""}
    found: list[tuple[str, str | int]] = [("grpc.service_config", json.dumps(config)), *_RECONNECTING]
    if "," in target:
        # The list would be the :authority of each call, and servers refuse one with a comma.
        found.append(("grpc.default_authority", AUTHORITY))
    return found


def _may_name_several(target: str) -> bool:
    return target.startswith("dns:") or "," in target
