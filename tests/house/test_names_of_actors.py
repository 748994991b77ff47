"""Who acts is named in one place: a name put together by hand is one that another rule may read as somebody else's."""

from __future__ import annotations

import re
import subprocess

from local.environment import ROOT

BY_HAND = re.compile(r"issuer\}/\{[\w.]*\.subject")


def test_nobody_puts_the_name_of_an_actor_together_by_hand() -> None:
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    found = [path for path in listed.stdout.split() if BY_HAND.search((ROOT / path).read_text("utf-8"))]
    assert found == ["contracts/principal.py"]
