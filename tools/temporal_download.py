"""Run the Temporal SDK's own downloader once: `python -m tools.temporal_download VERSION DIRECTORY`.

The SDK offers the download only together with a dev server, so one is started in memory and stopped at once.
"""

from __future__ import annotations

import asyncio
import sys

from temporalio.testing import WorkflowEnvironment


async def _download(version: str, directory: str) -> None:
    environment = await WorkflowEnvironment.start_local(
        dev_server_download_version=f"v{version}", download_dest_dir=directory
    )
    await environment.shutdown()


if __name__ == "__main__":
    asyncio.run(_download(sys.argv[1], sys.argv[2]))
