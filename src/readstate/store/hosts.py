"""The hosts that a connection URI names."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

# HOST, HOST:PORT, [IPv6] or [IPv6]:PORT; a host that begins with a slash is the folder of a Unix socket.
_HOST: Final = re.compile(r"(?P<folder>/.*)|(?:\[(?P<ipv6>[^\]]+)\]|(?P<name>[^:\[\]]+))(?::(?P<port>\d+))?")


@dataclass(frozen=True, slots=True)
class Host:
    """One host of a URI. What it leaves open (None) the driver fills in, from the environment or by default."""

    name: str | None = None
    port: int | None = None


def hosts_of(url: str) -> tuple[tuple[Host, ...], str | None]:
    """The hosts of a connection URI, in order, and its `target_session_attrs`.

    Hosts stand before the path or in the parameter `host`
    (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS). Where several are named and
    nothing is said of what they must be: the one that takes writes, because every call may write.

    Raises:
        ValueError: they break a rule. Its text shows nothing of the URI.
    """
    parts = urlsplit(url)
    parameters = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    places = unquote(parts.netloc.rpartition("@")[2]) or parameters.get("host", "")
    if "," not in places:
        # The driver reads it by itself.
        return (Host(),), parameters.get("target_session_attrs")
    ports = [port for port in parameters.get("port", "").split(",") if port]
    return tuple(_hosts(places.split(","), ports)), parameters.get("target_session_attrs", "read-write")


def _hosts(places: list[str], ports: list[str]) -> Iterator[Host]:
    if len(ports) not in (0, 1, len(places)) or not all(port.isdecimal() for port in ports):
        raise ValueError("there must be one port, or as many as hosts, and each must be a number")
    for index, place in enumerate(places):
        match = _HOST.fullmatch(place)
        if match is None:
            raise ValueError("a host must be NAME, NAME:PORT or the folder of a socket")
        name = match["folder"] or match["ipv6"] or match["name"]
        port = match["port"] or (ports[index % len(ports)] if ports else None)
        yield Host(name, None if port is None else int(port))
