"""Logs, and the request ids that connect their lines with those of a caller.

Never logged: tokens, keys, connection URIs, bodies. So an exception is logged with its types and frames, but without
its message: a driver's message may quote a row, a parser's a token. A library's line is logged as its template, without
the values that fill it.
"""

import logging
import random
import re
import sys
import traceback
import zlib
from typing import Final, Literal

import structlog

LONGEST_LOGGED: Final = 256
"""Characters. A log line holds no more of a text from outside."""

_REQUEST_ID: Final = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def configure_logging(
    level: str, style: Literal["auto", "json", "console"], *, terminal: structlog.types.Processor | None = None
) -> None:
    """Send our own logs and the libraries' to stderr: JSON lines, or what `terminal` makes of them on a terminal.

    If nothing is given, that is structlog's form, in colours.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    console = style == "console" or (style == "auto" and sys.stderr.isatty())
    shared: list[structlog.types.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_messages,
    ]
    renderer: structlog.types.Processor = structlog.processors.JSONRenderer()
    if console:
        renderer = terminal or structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_template, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    # Of libraries, only warnings and errors.
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)


def _template(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    # The values may be secret: grpc fills in metadata that it cannot decode, and that may be a token. The first line is
    # enough: asyncio appends the exceptions of its tasks.
    record: logging.LogRecord = event["_record"]
    template = record.msg if isinstance(record.msg, str) else type(record.msg).__qualname__
    event["event"], _, _ = template.strip().partition("\n")
    event["logger"] = record.name
    return event


def _without_messages(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    error = event.pop("exc_info", None)
    if error is True or isinstance(error, tuple):
        error = sys.exc_info()[1] if error is True else error[1]
    if isinstance(error, BaseException):
        event["exception"] = describe(error)
    return event


def describe(error: BaseException) -> list[dict[str, object]]:
    """The chain of an exception, outermost first: types, SQLSTATE and frames. No message: the module says why."""
    chain: list[dict[str, object]] = []
    cause: BaseException | None = error
    while cause is not None and len(chain) < 5:
        frames = traceback.extract_tb(cause.__traceback__)[-12:]
        link: dict[str, object] = {
            "type": type(cause).__qualname__,
            "frames": [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames],
        }
        if sqlstate := getattr(cause, "sqlstate", None):
            link["sqlstate"] = sqlstate
        chain.append(link)
        cause = cause.__cause__ or cause.__context__
    return chain


def printable(text: str) -> str:
    """A text from outside, made safe for a log line: without control characters, and not too long."""
    return _UNPRINTABLE.sub("", text[:LONGEST_LOGGED])


def request_id(given: str | None) -> str:
    """The request id of the caller, if it is 1 to 128 printable ASCII characters; else a new one."""
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    # Unique, but not secret. uuid4 asks the system for random bytes and costs six times as much.
    return f"{random.getrandbits(128):032x}"


def chosen(request_id: str, ratio: float) -> bool:
    """Whether a request is one of this part of all, 0 to 1. Gateway and server choose the same, by the id."""
    return ratio == 1 or zlib.crc32(request_id.encode()) < ratio * 2**32
