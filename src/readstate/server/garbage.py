"""The garbage collector, as a server wants it.

By default a collection begins whenever 700 more objects exist than after the last one, which is every few calls, and
now and then it looks at all that the imports have made. That was an eighth of what a call cost
(docs/decisions/0012-hot-path.md).
"""

import gc
from typing import Final

YOUNG: Final = 20_000
"""Objects more than after the last collection that begin one: a few MB."""


def spare_what_has_started() -> None:
    """Leave what exists now out of every collection, and collect what follows less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
