"""The web UI's files: hashed names that cover what a file imports, pinned packages, and errors that say what to do."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tools import assets
from tools.assets import LICENCES, AssetsError, build, inputs_digest, link_modules
from tools.node import NodeError, find_node

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "api" / "web" / "assets"


def said(line: str) -> None:
    """Take a line of progress and let it be."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that a build reads, in a folder of their own, with the packages that are installed already."""
    web = tmp_path / "api" / "web"
    for folder in ("assets", "templates"):
        shutil.copytree(
            ROOT / "api" / "web" / folder, web / folder, ignore=shutil.ignore_patterns("node_modules")
        )
    assert (SOURCES / "node_modules").exists(), "`make assets` has not run"
    (web / "assets" / "node_modules").symlink_to(SOURCES / "node_modules")
    (tmp_path / "requirements").mkdir()
    shutil.copy(ROOT / "requirements" / "node.txt", tmp_path / "requirements")
    return tmp_path


@pytest.fixture
def pip_reaches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")


def test_a_module_imports_others_by_their_hashed_names() -> None:
    linked = link_modules(
        {
            "app.js": b'import { a } from "./vendor/a.js"; import "./b.js"; const c = () => import("./c.js");',
            "a.js": b"export const a = 1;",
            "b.js": b"1;",
            "c.js": b"2;",
        }
    )
    text = linked["app.js"][1].decode()
    assert re.findall(r'"(\./[^"]+)"', text) == [f"./{linked[name][0]}" for name in ("a.js", "b.js", "c.js")]


def test_a_file_is_named_by_what_is_in_it() -> None:
    name, content = link_modules({"app.css": b"body{}"})["app.css"]
    assert name == f"app.{hashlib.sha256(content).hexdigest()[:12]}.css"


def test_a_change_deep_down_renames_every_module_above_it() -> None:
    def names(leaf: bytes) -> list[str]:
        linked = link_modules(
            {"app.js": b'import "./mid.js";', "mid.js": b'import "./leaf.js";', "leaf.js": leaf}
        )
        return [linked[name][0] for name in ("app.js", "mid.js", "leaf.js")]

    before, after = names(b"1;"), names(b"2;")
    assert all(old != new for old, new in zip(before, after, strict=True))


def test_a_module_that_is_not_there_is_named() -> None:
    with pytest.raises(AssetsError, match=r"app\.js imports gone\.js"):
        link_modules({"app.js": b'import "./gone.js";'})


def test_modules_in_a_circle_are_refused() -> None:
    with pytest.raises(AssetsError, match="in a circle"):
        link_modules({"a.js": b'import "./b.js";', "b.js": b'import "./a.js";'})


def test_a_build_leaves_hashed_files_packed_and_with_their_licences(checkout: Path) -> None:
    assert build(checkout)
    static = checkout / "api" / "web" / "static"
    names: dict[str, str] = json.loads((static / "manifest.json").read_text())
    assert {"app.css", "app.js", "htmx.js", "uplot.js", "favicon.svg", LICENCES} <= names.keys()
    for logical, name in names.items():
        content = (static / name).read_bytes()
        assert gzip.decompress((static / f"{name}.gz").read_bytes()) == content
        assert b"sourceMappingURL" not in content
        if logical != LICENCES:
            assert hashlib.sha256(content).hexdigest()[:12] in name
    licences = (static / LICENCES).read_text()
    for package in ("htmx.org", "uplot", "tailwindcss", "daisyui"):
        assert f"\n{package} " in licences


def test_the_style_sheet_fetches_nothing_and_holds_what_templates_use(checkout: Path) -> None:
    build(checkout)
    static = checkout / "api" / "web" / "static"
    text = (static / json.loads((static / "manifest.json").read_text())["app.css"]).read_text()
    assert "@import" not in text
    assert not re.search(r"url\(\s*['\"]?https?:", text)
    for selector in (".btn-primary", ".sr-only", ".unverified", ".sidebar"):
        assert selector in text


def test_an_unchanged_checkout_is_not_built_again(checkout: Path) -> None:
    assert build(checkout)
    assert not build(checkout)
    (checkout / "api" / "web" / "templates" / "layout.html").write_text("<p class='mt-8'>")
    assert build(checkout)


def test_a_lost_file_is_built_again(checkout: Path) -> None:
    build(checkout)
    static = checkout / "api" / "web" / "static"
    (static / json.loads((static / "manifest.json").read_text())["app.js"]).unlink()
    assert build(checkout)


def test_files_of_the_build_before_stay_for_a_while(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(checkout)
    static, script = (
        checkout / "api" / "web" / "static",
        checkout / "api" / "web" / "assets" / "js" / "copy.js",
    )
    before = static / json.loads((static / "manifest.json").read_text())["copy.js"]
    script.write_text(script.read_text() + "\n// changed\n")
    build(checkout)
    assert before.exists()
    monkeypatch.setattr(assets, "GRACE", -1.0)
    script.write_text(script.read_text() + "// again\n")
    build(checkout)
    assert not before.exists()


def test_the_stamp_covers_templates_since_their_classes_are_in_the_style_sheet(checkout: Path) -> None:
    before = inputs_digest(checkout)
    (checkout / "api" / "web" / "templates" / "layout.html").write_text("")
    assert inputs_digest(checkout) != before


@pytest.mark.usefixtures("pip_reaches_nothing")
def test_without_node_and_without_an_index_the_error_says_what_to_do(
    bare_machine: Path, checkout: Path
) -> None:
    assert not list(bare_machine.iterdir())
    with pytest.raises(
        AssetsError, match="Install Node 20 or newer with npm, or let pip reach a package index"
    ):
        build(checkout)


@pytest.mark.usefixtures("pip_reaches_nothing")
def test_a_node_that_is_too_old_does_not_count(
    bare_machine: Path, checkout: Path, fake_program: Callable[[Path, str], Path]
) -> None:
    fake_program(bare_machine / "node", "v18.20.0")
    fake_program(bare_machine / "npm", "9.0.0")
    with pytest.raises(NodeError):
        find_node(checkout, said)


def test_a_node_that_is_new_enough_is_taken_from_the_system(
    bare_machine: Path, checkout: Path, fake_program: Callable[[Path, str], Path]
) -> None:
    node = fake_program(bare_machine / "node", "v22.1.0")
    npm = fake_program(bare_machine / "npm", "10.0.0")
    found = find_node(checkout, said)
    assert (found.node, found.npm) == (node, (str(npm),))


def test_what_npm_says_when_it_fails_is_shown(
    bare_machine: Path, checkout: Path, fake_program: Callable[[Path, str], Path]
) -> None:
    (checkout / "api" / "web" / "assets" / "node_modules").unlink()
    fake_program(bare_machine / "node", "v22.1.0")
    npm = bare_machine / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error ENOTFOUND'\nexit 1\n")
    npm.chmod(0o755)
    with pytest.raises(AssetsError, match=r"is its registry reachable from here\?\nnpm error ENOTFOUND"):
        build(checkout)


def test_every_package_is_pinned_exactly_and_from_no_named_registry() -> None:
    package = json.loads((SOURCES / "package.json").read_text())
    lock_text = (SOURCES / "package-lock.json").read_text()
    for version in (package["dependencies"] | package["devDependencies"]).values():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert '"resolved"' not in lock_text
    assert "omit-lockfile-registry-resolved=true" in (SOURCES / ".npmrc").read_text()


def test_the_lock_file_knows_tailwind_for_every_platform() -> None:
    """`npm ci` refuses a lock file that lacks one, also where that one would not be installed."""
    locked = json.loads((SOURCES / "package-lock.json").read_text())["packages"]
    assert set(locked["node_modules/@tailwindcss/oxide"]["optionalDependencies"]) <= {
        name.removeprefix("node_modules/") for name in locked
    }
    assert "node_modules/@tailwindcss/oxide-darwin-arm64" in locked
