"""The garbage collector, as a server wants it.

By default Python collects after every 700 new objects, which is every few calls. Some of these collections also look at
everything that the imports have made. That was an eighth of the cost of a call (docs/decisions/0012-hot-path.md).
"""

import gc
from typing import Final

YOUNG: Final = 20_000
"""New objects after which a collection begins. They take a few MB."""


def spare_what_has_started() -> None:
    """Leave out of every collection what exists now, and collect later objects less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
