from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from adapters.configuration import json_schema, parse
from tests.docs.pages import REFERENCE, ROOT


def test_the_stored_schema_is_that_of_the_code() -> None:
    stored = json.loads((REFERENCE / "configuration.schema.json").read_text())
    assert stored == json_schema(), (
        "run: sluice config schema | python -m json.tool > docs/reference/configuration.schema.json"
    )


def test_the_command_line_prints_the_same_schema(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "cli.main", "config", "schema"]
    environment = {"PYTHONPATH": str(ROOT), "SLUICE_STATE_DIR": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert json.loads(done.stdout) == json_schema()


def test_every_key_of_the_file_is_on_the_page() -> None:
    page = (REFERENCE / "configuration.md").read_text()
    schema = json_schema()
    keys = {name for part in (schema, *schema["$defs"].values()) for name in part.get("properties", {})}
    assert sorted(key for key in keys if not re.search(rf"\b{key}\b", page)) == []


def test_the_whole_file_on_the_page_is_valid() -> None:
    example = re.findall(r"```yaml\n(.*?)```", (REFERENCE / "configuration.md").read_text(), re.DOTALL)[0]
    assert set(parse(example).environments) == {"production", "staging", "development"}
