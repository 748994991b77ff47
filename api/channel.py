"""REQUEST: how it came in. Programs of ours name themselves in `Sluice-Channel`; everybody else is `api`.

Nobody names themselves `chat`: that is said by the chat page, for whoever is signed in.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Depends, Header

from contracts.request import Channel


def _channel(sluice_channel: Annotated[Literal["api", "cli"], Header()] = "api") -> Channel:
    return Channel(sluice_channel)


CallerChannel = Annotated[Channel, Depends(_channel)]
