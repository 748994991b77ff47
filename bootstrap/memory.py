"""What a process holds once it has started stays until its end: the collector need not look through it again.

Modules, classes and compiled models are hundreds of thousands of objects. A full collection walks through all of them,
and whatever is under way in the process waits meanwhile.
"""

from __future__ import annotations

import gc


def settle() -> None:
    """Collect what the start left behind, and leave the rest out of every later collection."""
    gc.collect()
    gc.freeze()
