"""Servers that let only their operator see to search attributes, as Temporal Cloud does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.api.operatorservice.v1 import ListSearchAttributesResponse
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from tenacity import stop_after_attempt

from adapters.temporal import schedules
from adapters.temporal.search_attributes import register
from contracts.errors import ConfigurationInvalid
from contracts.messages import SEARCH_ATTRIBUTES

_REFUSED = RPCError("Request unauthorized.", RPCStatusCode.PERMISSION_DENIED, b"")
_UNKNOWN = RPCError("no mapping defined for search attribute SluiceKind", RPCStatusCode.INVALID_ARGUMENT, b"")


class Server:
    """A namespace on somebody else's server. Each call raises what it was given for it."""

    namespace = "theirs"

    def __init__(
        self,
        *,
        listing: RPCError | None = None,
        adding: RPCError | None = None,
        scheduling: RPCError | None = None,
    ) -> None:
        self._listing, self._adding, self._scheduling = listing, adding, scheduling
        self.scheduled: list[str] = []
        self.operator_service = SimpleNamespace(
            list_search_attributes=self._list, add_search_attributes=self._add
        )

    async def _list(self, _: object) -> ListSearchAttributesResponse:
        if self._listing is not None:
            raise self._listing
        return ListSearchAttributesResponse()

    async def _add(self, _: object) -> None:
        if self._adding is not None:
            raise self._adding

    async def create_schedule(self, schedule_id: str, *_: object, **__: Any) -> None:
        if self._scheduling is not None:
            raise self._scheduling
        self.scheduled.append(schedule_id)

    @property
    def client(self) -> Client:
        return cast("Client", self)


async def test_attributes_that_only_the_operator_may_add_are_named() -> None:
    with pytest.raises(ConfigurationInvalid, match="by hand") as refusal:
        await register(Server(adding=_REFUSED).client)
    assert all(name in str(refusal.value) for name in SEARCH_ATTRIBUTES)


@pytest.mark.parametrize("status", [RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED])
async def test_where_nobody_is_told_which_there_are_those_added_by_hand_are_believed_in(
    status: RPCStatusCode,
) -> None:
    server = Server(listing=RPCError("not here", status, b""))
    assert await register(server.client) == []
    await schedules.ensure(server.client)
    assert len(server.scheduled) == 2


async def test_schedules_whose_attributes_are_not_there_name_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedules._ensure.retry, "stop", stop_after_attempt(1))
    with pytest.raises(ConfigurationInvalid, match=r"SluiceKind.*namespace theirs"):
        await schedules.ensure(Server(listing=_REFUSED, scheduling=_UNKNOWN).client)
