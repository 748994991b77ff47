"""What a change of the code did to the governed path: two source trees at the same moment, on one server.

    git worktree add ../before COMMIT
    python -m benchmarks.floor.beside ../before

Both stacks run at once, so whatever else the machine does, it does to both; each round compares processor time and
throughput by itself. Temporal and its database are shared, hence only what each tree has for itself is told: its
worker, its API, its throughput. The other tree needs `benchmarks/floor`, and is run by this program's Python.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import pickle
import sys
from pathlib import Path

from benchmarks.floor.contest import open_sluice
from benchmarks.floor.ground import BenchGround
from benchmarks.floor.load import drive
from benchmarks.floor.server import BenchServer, bench_server, scratch
from proofs.report import say

OWN = Path(__file__).resolve().parents[2]
ROLES = ("worker", "api")


async def child(server: BenchServer, slots: int, seconds: float) -> None:
    """Drive the Sluice of the tree that is first on the path, on a server that runs; say what it cost as JSON."""
    ground = BenchGround(slots)
    with scratch("beside") as directory:
        async with open_sluice(server, directory, ground) as contender:
            measured = await drive(contender, ground.slots, warm_up=slots, alone=4, seconds=seconds)
    found = {role: measured.cpu_ms(role) for role in ROLES} | {"throughput": measured.throughput()}
    say(json.dumps(found))


async def compare(other: Path, rounds: int, slots: int, seconds: float) -> None:
    """Run both trees at once, round after round, and print what each cost."""
    async with bench_server() as server:
        with scratch("pair") as directory:
            told = directory / "server"
            told.write_bytes(pickle.dumps(vars(server)))
            for number in range(1, rounds + 1):
                before, after = await asyncio.gather(
                    *(_measured(tree, told, slots, seconds) for tree in (other, OWN))
                )
                for name in (*ROLES, "throughput"):
                    ratio = after[name] / before[name]
                    print(
                        f"round {number}: {name} {before[name]:.3g} → {after[name]:.3g}, {ratio:.2f}×",
                        flush=True,
                    )


async def _measured(tree: Path, told: Path, slots: int, seconds: float) -> dict[str, float]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", __file__, "--child", str(told)),
        *("--slots", str(slots), "--seconds", str(seconds)),
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree)},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"the program of {tree} ended with {process.returncode}")
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return found


def main() -> None:
    """Read the arguments and compare."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.floor.beside", description=__doc__)
    parser.add_argument("tree", type=Path, nargs="?", help="the other source tree")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slots", type=int, default=8, help="changes in flight in each tree")
    parser.add_argument("--seconds", type=float, default=25.0)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child is not None:
        # Written by this program's parent, into a directory of its own.
        server = BenchServer(**pickle.loads(given.child.read_bytes()))  # noqa: S301
        asyncio.run(child(server, given.slots, given.seconds))
    elif given.tree is None:
        parser.error("name the other source tree")
    else:
        asyncio.run(compare(given.tree.resolve(), given.rounds, given.slots, given.seconds))


if __name__ == "__main__":
    main()
