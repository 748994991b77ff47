"""`make browser`: Chromium for the browser tests, from Debian's packages, with fonts for more than Latin script.

Standard library only. Nothing is done when a Chromium is on PATH. Installing needs root; anybody else is told what
to type.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

PACKAGES = ("chromium", "fonts-noto-core", "fonts-noto-cjk", "fonts-noto-color-emoji")
_INSTALL = ("apt-get", "install", "--yes", "--no-install-recommends", *PACKAGES)


def main() -> int:
    """Command line. 0 when a Chromium is there, 1 otherwise."""
    if shutil.which("chromium"):
        return 0
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        print(f"browser: no Chromium here; install it with: sudo {' '.join(_INSTALL)}", file=sys.stderr)
        return 1
    print("browser: installing Chromium and fonts by apt", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (("apt-get", "update"), _INSTALL):
        done = subprocess.run(
            command, env=environment, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=False
        )
        if done.returncode != 0:
            print(f"browser: `{' '.join(command)}` failed", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
