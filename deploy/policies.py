"""`policies.py DIRECTORY`: write the image's policies with their revision there, for OPA to read."""

from __future__ import annotations

import sys
from pathlib import Path

from adapters.opa.sources import snapshot_policies

if __name__ == "__main__":
    sys.stderr.write(f"policies at {snapshot_policies(Path(sys.argv[1]))}\n")
