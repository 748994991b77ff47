"""`make policies`: what the policies of this repository must pass before they run (`adapters/opa/checks.py`).

OPA is found or fetched as everywhere else (`tools/programs.py`). Every check runs, so that one run tells all.
"""

from __future__ import annotations

import sys

from adapters.opa.checks import flaws_of
from adapters.opa.sources import POLICIES, policy_names
from contracts.errors import ConfigurationInvalid
from settings import Settings
from tools.catalogue import OPA
from tools.programs import ProgramNotFoundError, explicit_path, resolve


def main() -> int:
    """Check the repository's policies and return the exit status."""
    settings = Settings()
    try:
        opa = resolve(OPA, state_dir=settings.state_dir, explicit=explicit_path(settings.programs, OPA))
        flaws = flaws_of(opa.path, POLICIES)
    except (ProgramNotFoundError, ConfigurationInvalid) as cause:
        sys.stderr.write(f"{cause}\n")
        return 1
    sys.stderr.writelines(f"{flaw.check}: {flaw.message}\n" for flaw in flaws)
    if not flaws:
        sys.stderr.write(f"{len(policy_names())} policies: nothing found\n")
    return 1 if flaws else 0


if __name__ == "__main__":
    sys.exit(main())
