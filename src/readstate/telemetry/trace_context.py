"""The trace that a call is a part of, as callers send it (https://www.w3.org/TR/trace-context/). Needs no library."""

import random
import re
from dataclasses import dataclass
from typing import Final, Self

# Version 00 has nothing behind the flags. Ids of zeros alone are not valid.
_PARENT: Final = re.compile(
    r"(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[\x21-\x7e]{,64})?", re.ASCII
)
_STATE: Final = re.compile(r"[\x20-\x7e]{1,512}", re.ASCII)
_SAMPLED: Final = 1
"""The bit of the flags by which a caller says that it records the trace."""


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A valid `traceparent`, and the `tracestate` beside it."""

    parent: str
    state: str = ""

    @classmethod
    def read(cls, parent: str | None, state: str | None) -> Self | None:
        """None for what is not of the standard's form: it begins a new trace, as if it had not been sent."""
        if parent is None or not _PARENT.fullmatch(parent):
            return None
        return cls(parent, state if state and _STATE.fullmatch(state) else "")

    @classmethod
    def unsampled(cls) -> Self:
        """A new trace that nobody records. Whoever it is passed on to does not record it either."""
        return cls(f"00-{random.getrandbits(128) or 1:032x}-{random.getrandbits(64) or 1:016x}-00")

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits."""
        return self.parent[3:35]

    @property
    def sampled(self) -> bool:
        """Whether the caller records the trace."""
        return bool(int(self.parent[53:55], 16) & _SAMPLED)

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What passes the trace on."""
        parent = ("traceparent", self.parent)
        return (parent, ("tracestate", self.state)) if self.state else (parent,)
