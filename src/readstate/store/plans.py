"""Plans that have become bad are made anew.

A connection keeps the plans of its statements. One that was made while a table was empty reads the table from end to
end, and is kept until the table is analysed. Loaded in bulk before that, a table of a million marks made statements
take 4 to 8 s. So when a statement is slow, every connection of the pool makes its plans anew before its next statement.
"""

import math
import time
from typing import Final

SLOW_SECONDS: Final = 0.1
"""No statement takes this long with a good plan, but those that change very many rows."""

RENEW_SECONDS: Final = 10.0
"""Plans are made anew no more often: a server that is overloaded is slow as well, and planning takes 1 to 2 ms."""

# Of this connection alone. The statements stay prepared.
DISCARD_PLANS: Final = "DISCARD PLANS"


class Plans:
    """The plans of one pool's connections."""

    def __init__(self) -> None:
        self.generation = 0
        """Plans of an earlier generation are to be discarded."""
        self._renewed_at = -math.inf

    def took(self, seconds: float) -> None:
        """Take note of how long a statement has taken."""
        if seconds > SLOW_SECONDS and (now := time.monotonic()) - self._renewed_at > RENEW_SECONDS:
            self._renewed_at = now
            self.generation += 1
