"""One running emulator: the gRPC and the HTTP listener over one service."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from emulators.gke.grpc_server import start_grpc
from emulators.gke.http_server import build_app, is_loopback
from emulators.gke.service import Service


@dataclass(frozen=True)
class Options:
    """How to run. Port 0 = any free one."""

    host: str = "127.0.0.1"
    port: int = 0
    compute_port: int = 0
    fleet: str = "practice"
    log: Path | None = None
    state: Path | None = None


@dataclass(frozen=True)
class Emulator:
    """A started emulator. `address` is host:port of plaintext gRPC, `compute_url` the HTTP base."""

    address: str
    compute_url: str
    admin: bool
    service: Service
    _grpc: Any
    _http: web.AppRunner

    @classmethod
    async def start(cls, options: Options) -> Emulator:
        """Start both listeners.

        Raises:
            OSError, RuntimeError: a port is taken, or a file cannot be opened.
        """
        service = Service.open(options.fleet, options.log, options.state)
        admin = is_loopback(options.host)
        grpc_server, port = await start_grpc(service, options.host, options.port)
        runner = web.AppRunner(build_app(service, admin=admin), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, options.host, options.compute_port).start()
        except OSError:
            await grpc_server.stop(grace=0)
            await runner.cleanup()
            raise
        http_port = runner.addresses[0][1]
        return cls(
            address=f"{options.host}:{port}",
            compute_url=f"http://{options.host}:{http_port}",
            admin=admin,
            service=service,
            _grpc=grpc_server,
            _http=runner,
        )

    async def stop(self) -> None:
        """Stop serving; calls that hang are cut off."""
        await self._grpc.stop(grace=0)
        await self._http.cleanup()
        self.service.close()
