"""`python -m emulators.gke`: runs the emulator until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

import yaml
from pydantic import ValidationError

from emulators.gke.server import Emulator, Options


def _arguments(argv: list[str] | None) -> Options:
    parser = argparse.ArgumentParser(
        prog="python -m emulators.gke",
        description="Speaks Google's ClusterManager API over plaintext gRPC, without Google. See docs/emulator.md.",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (admin calls: loopback only)"
    )
    parser.add_argument("--port", type=int, default=0, help="port of gRPC; 0 = any free one")
    parser.add_argument("--compute-port", type=int, default=0, help="port of HTTP; 0 = any free one")
    parser.add_argument("--fleet", default="practice", help="`practice` or a YAML file")
    parser.add_argument("--log", type=Path, help="append one JSON line per served call to this file")
    parser.add_argument("--state", type=Path, help="keep sizes and operations in this file over a restart")
    return Options(**vars(parser.parse_args(argv)))


async def _run(options: Options) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    emulator = await Emulator.start(options)
    admin = "on" if emulator.admin else "off"
    sys.stderr.write(
        f"gke emulator ready grpc={emulator.address} http={emulator.compute_url} admin={admin}\n"
    )
    sys.stderr.flush()
    await stop.wait()
    await emulator.stop()


def main(argv: list[str] | None = None) -> int:
    """Run; return the exit code: 0 after a signal, 2 when it cannot start."""
    options = _arguments(argv)
    try:
        asyncio.run(_run(options))
    except (OSError, RuntimeError, ValidationError, yaml.YAMLError) as error:
        sys.stderr.write(f"gke emulator: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
