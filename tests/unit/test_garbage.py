"""What the garbage collector is told before a server serves."""

import subprocess
import sys

PROGRAM = """
import gc
from readstate.server import garbage

class Node: pass

garbage.spare_what_has_started()
frozen = gc.get_freeze_count()
assert frozen > 1000, frozen

for _ in range(3 * garbage.YOUNG):
    node = Node()
    node.itself = node
found = sum(isinstance(thing, Node) for thing in gc.get_objects())
assert 0 < found <= garbage.YOUNG + 1, found
"""


def test_what_is_made_later_is_still_collected() -> None:
    # In a process of its own: what is frozen stays so.
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=30)
