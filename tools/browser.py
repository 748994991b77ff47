"""`make browser`: Chromium for the browser tests, from Debian's packages, with fonts for more than Latin script.

Wanted is the headless shell: the same engine without the windows around it, for half of the processor time. Where it
cannot be had, a whole Chromium on PATH will do. Standard library only. Installing needs root; anybody else is told
what to type.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

SHELL = "chromium-headless-shell"
"""Package and program."""
OTHERS = ("chromium", "google-chrome")
PACKAGES = (SHELL, "fonts-noto-core", "fonts-noto-cjk", "fonts-noto-color-emoji")
_INSTALL = ("apt-get", "install", "--yes", "--no-install-recommends", *PACKAGES)


def chromium() -> Path | None:
    """Return the Chromium that is here, the headless shell first, or None."""
    found = next((path for name in (SHELL, *OTHERS) if (path := shutil.which(name))), None)
    return Path(found) if found else None


def main() -> int:
    """Command line. 0 when a Chromium is there, 1 otherwise."""
    if shutil.which(SHELL):
        return 0
    refused = _install()
    if refused is None:
        return 0
    if (other := chromium()) is not None:
        print(f"browser: {refused}; taking {other}, which needs twice the time", file=sys.stderr)
        return 0
    print(f"browser: {refused}; install it with: sudo {' '.join(_INSTALL)}", file=sys.stderr)
    return 1


def _install() -> str | None:
    """Install the packages; return what stood in the way, or None."""
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        return f"no {SHELL} here, and no way to install it"
    print("browser: installing Chromium and fonts by apt", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (("apt-get", "update"), _INSTALL):
        done = subprocess.run(
            command, env=environment, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=False
        )
        if done.returncode != 0:
            return f"`{' '.join(command)}` failed"
    return None


if __name__ == "__main__":
    sys.exit(main())
