"""How slowly a client may send and read."""

from readstate.http.limits import Limits


class Pace:
    """Times are the event loop's, in seconds."""

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._awaited_since: float | None = now
        """Since when a request is awaited that has not arrived whole."""
        self._unread = 0
        self._read_at = now

    def request_awaited(self, now: float) -> None:
        self._awaited_since = now

    def request_arrived(self) -> None:
        self._awaited_since = None

    def sends_too_slowly(self, now: float) -> bool:
        return self._awaited_since is not None and now > self._awaited_since + self._limits.arrival_seconds

    def reads_too_slowly(self, unread: int, now: float) -> bool:
        """Whether `unread` bytes wait for the client, and it has read nothing for too long.

        It reads if fewer bytes wait than at the last call. It may read slowly, because the app waits for it.
        """
        if not unread or unread < self._unread:
            self._read_at = now
        self._unread = unread
        return now > self._read_at + self._limits.unread_seconds
