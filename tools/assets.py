"""`make assets`: the web UI's style sheet and scripts, from `api/web/assets` into `api/web/static`.

Standard library only. npm installs what the lock file pins, Tailwind writes the style sheet, and every file gets a
name that holds the hash of its content, so browsers may keep it for ever. `manifest.json` maps the plain names to
those. What did not change since the last build is not built again.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from tools.node import Node, NodeError, find_node

ROOT = Path(__file__).resolve().parent.parent
LICENCES = "THIRD_PARTY_LICENSES.txt"
MANIFEST = "manifest.json"
GRACE = 3600.0
"""Seconds a file of an earlier build stays, so that a server that runs meanwhile can still serve its pages."""
_STAMP = ".built-from"
_TEXT = {".css", ".js", ".svg", ".txt", ".json"}
_IMPORT = re.compile(r"""(\bfrom\s*|\bimport\s*\(\s*|\bimport\s*)(["'])(\.{1,2}/[\w./-]+)\2""")
_SOURCE_MAP = re.compile(rb"^//[#@] sourceMappingURL=.*$", re.MULTILINE)


class AssetsError(Exception):
    """The files could not be built; the message says what to do."""


def build(root: Path) -> bool:
    """Build what is due under `root` and tell whether anything was. Raises `AssetsError`."""
    assets, static = root / "api" / "web" / "assets", root / "api" / "web" / "static"
    with _alone(root / "build" / "assets.lock"):
        wanted = inputs_digest(root)
        if _is_whole(static, wanted):
            return False
        node = _node(root)
        _install_packages(assets, node)
        static.mkdir(parents=True, exist_ok=True)
        names = _write_all(assets, static, _sources(assets, node, root / "build"))
        _start_grace(static)
        _replace(static / MANIFEST, (json.dumps(names, indent=2, sort_keys=True) + "\n").encode())
        _replace(static / _STAMP, wanted.encode())
        _forget_old(static, set(names.values()))
    return True


def inputs_digest(root: Path) -> str:
    """What the stamp holds: it changes with any file that the build reads."""
    digest = hashlib.sha256()
    for folder in (root / "api" / "web" / "assets", root / "api" / "web" / "templates"):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "node_modules" not in path.parts:
                digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes() + b"\0")
    for name in ("assets.py", "node.py"):
        digest.update((Path(__file__).parent / name).read_bytes())
    return digest.hexdigest()


def link_modules(sources: dict[str, bytes]) -> dict[str, tuple[str, bytes]]:
    """Give every file its hashed name, and every script the hashed names of what it imports.

    `sources` maps plain names to contents; the result maps them to (hashed name, content). A module is named after
    the modules that it imports are, so its own hash covers theirs. Raises `AssetsError` for a module that is not
    there and for modules that import each other in a circle.
    """
    imports = {name: _imported(name, content, sources) for name, content in sources.items()}
    try:
        order = list(TopologicalSorter(imports).static_order())
    except CycleError as cause:
        raise AssetsError("modules import each other in a circle: " + " → ".join(cause.args[1])) from None
    done: dict[str, tuple[str, bytes]] = {}
    for name in order:
        content = sources[name]
        if name.endswith(".js"):
            content = _IMPORT.sub(
                lambda match: f'{match[1]}"./{done[Path(match[3]).name][0]}"', content.decode()
            ).encode()
        done[name] = (_hashed(name, content), content)
    return done


def _imported(name: str, content: bytes, sources: dict[str, bytes]) -> set[str]:
    if not name.endswith(".js"):
        return set()
    found = {Path(match[3]).name for match in _IMPORT.finditer(content.decode())}
    if missing := sorted(found - sources.keys()):
        raise AssetsError(f"{name} imports {', '.join(missing)}, which is neither in js/ nor in vendor.json")
    return found


def _hashed(name: str, content: bytes) -> str:
    if name == LICENCES:  # People look for it by this name.
        return name
    path = Path(name)
    return f"{path.stem}.{hashlib.sha256(content).hexdigest()[:12]}{path.suffix}"


def _node(root: Path) -> Node:
    try:
        return find_node(root, _say)
    except NodeError as cause:
        raise AssetsError(str(cause)) from None


def _install_packages(assets: Path, node: Node) -> None:
    """Install what the lock file pins, unless that is what is installed."""
    stamp = assets / "node_modules" / ".sluice-lock"
    wanted = hashlib.sha256((assets / "package-lock.json").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    _say("installing what package-lock.json pins")
    # No package's own script runs: nothing foreign is executed by an installation.
    _run([*node.npm, "ci", "--ignore-scripts", "--loglevel", "error"], assets, node,
         "npm could not install the packages: is its registry reachable from here?")  # fmt: skip
    stamp.write_text(wanted)


def _sources(assets: Path, node: Node, work: Path) -> dict[str, bytes]:
    """Return every file to serve by its plain name."""
    packages = assets / "node_modules"
    sources = {path.name: path.read_bytes() for path in sorted((assets / "js").glob("*.js"))}
    sources |= {path.name: path.read_bytes() for path in sorted((assets / "images").glob("*"))}
    vendored = json.loads((assets / "vendor.json").read_text())
    for name, part in vendored["files"].items():
        content = _SOURCE_MAP.sub(b"", (packages / part["from"]).read_bytes())
        sources[name] = content + part.get("append", "").encode()
    sources["app.css"] = _style_sheet(assets, node, work)
    sources[LICENCES] = _licences(packages, vendored["licences"])
    return sources


def _style_sheet(assets: Path, node: Node, work: Path) -> bytes:
    _say("writing the style sheet")
    out = work / "app.css"
    tailwind = assets / "node_modules" / "@tailwindcss" / "cli" / "dist" / "index.mjs"
    source = assets / "css" / "app.css"
    _run([str(node.node), str(tailwind), "--input", str(source), "--output", str(out), "--minify"], assets, node,
         "Tailwind could not write the style sheet")  # fmt: skip
    return out.read_bytes()


def _licences(packages: Path, names: list[str]) -> bytes:
    parts = ["The web UI carries parts of these packages, under these licences.\n"]
    for name in names:
        version = json.loads((packages / name / "package.json").read_text())["version"]
        texts = sorted(path for path in (packages / name).iterdir() if path.name.upper().startswith("LICEN"))
        if not texts:
            raise AssetsError(f"{name} has no licence file")
        parts.append(f"\n{'=' * 72}\n{name} {version}\n{'=' * 72}\n\n{texts[0].read_text()}")
    return "".join(parts).encode()


def _write_all(assets: Path, static: Path, sources: dict[str, bytes]) -> dict[str, str]:
    linked = link_modules(sources)
    for hashed, content in linked.values():
        _replace(static / hashed, content)
        if Path(hashed).suffix in _TEXT:
            _replace(static / f"{hashed}.gz", gzip.compress(content, 9, mtime=0))
    return {name: hashed for name, (hashed, _) in linked.items()}


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever reads half of it."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(content)
    fresh.replace(path)


def _is_whole(static: Path, wanted: str) -> bool:
    stamp, manifest = static / _STAMP, static / MANIFEST
    if not stamp.exists() or stamp.read_text() != wanted or not manifest.exists():
        return False
    return all((static / name).exists() for name in json.loads(manifest.read_text()).values())


def _start_grace(static: Path) -> None:
    """Let the grace of the files of the build before begin now, not when they were written."""
    manifest = static / MANIFEST
    if manifest.exists():
        for name in json.loads(manifest.read_text()).values():
            for path in (static / name, static / f"{name}.gz"):
                if path.exists():
                    os.utime(path)


def _forget_old(static: Path, names: set[str]) -> None:
    keep = names | {f"{name}.gz" for name in names} | {MANIFEST, _STAMP}
    for path in static.iterdir():
        if path.name not in keep and time.time() - path.stat().st_mtime > GRACE:
            path.unlink()


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Hold a lock file, so that two builds in one checkout follow each other."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _run(command: list[str], cwd: Path, node: Node, failure: str) -> None:
    """Run a command with `node` first on its path and show what it said only when it fails."""
    environment = {**os.environ, "PATH": f"{node.node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode != 0:
        raise AssetsError(f"{failure}\n{done.stdout.decode(errors='replace').strip()}")


def _say(message: str) -> None:
    print(f"assets: {message}", flush=True)


def main() -> int:
    """Command line. 0 when the files are there, 1 otherwise."""
    began = time.monotonic()
    try:
        built = build(ROOT)
    except AssetsError as cause:
        print(f"assets: {cause}", file=sys.stderr)
        return 1
    _say(f"built in {time.monotonic() - began:.1f} s" if built else "unchanged")
    return 0


if __name__ == "__main__":
    sys.exit(main())
