from __future__ import annotations

from pathlib import Path

from tools.setup import requirements_digest


def test_the_stamp_changes_with_a_requirement_and_with_the_python(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements"
    requirements.mkdir()
    (requirements / "base.txt").write_text("a==1\n")
    (requirements / "dev.txt").write_text("b==1\n")
    before = requirements_digest(tmp_path, "3.11.9")
    assert requirements_digest(tmp_path, "3.11.9") == before
    assert requirements_digest(tmp_path, "3.12.0") != before
    (requirements / "base.txt").write_text("a==2\n")
    assert requirements_digest(tmp_path, "3.11.9") != before
