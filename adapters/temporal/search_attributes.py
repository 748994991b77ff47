"""Keyword search attributes: registered once by `sluice migrate`, set at a workflow's start and never again."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode

from adapters.temporal.connection import CONNECT_TIMEOUT, our_errors
from contracts.errors import ConfigurationInvalid
from contracts.messages import SEARCH_ATTRIBUTES

_OPERATORS_ONLY = (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED)
"""What a server answers that keeps its operator's service to itself."""


def typed(values: Mapping[str, str]) -> TypedSearchAttributes:
    """Return search attributes for a start."""
    return TypedSearchAttributes(
        [SearchAttributePair(SearchAttributeKey.for_keyword(name), value) for name, value in values.items()]
    )


async def register(client: Client) -> list[str]:
    """Register what the namespace does not have yet; return the names that were added. A second call adds none.

    A server that does not let us look is believed to have them: whoever starts something with them finds out.

    Raises:
        WorkflowUnavailable: Temporal did not answer.
        ConfigurationInvalid: this server lets only its operator add them; the message says which.
    """
    keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    async with our_errors(2 * CONNECT_TIMEOUT):
        known = await _known(client)
        missing = [] if known is None else [name for name in SEARCH_ATTRIBUTES if name not in known]
        if not missing:
            return []
        try:
            await client.operator_service.add_search_attributes(
                AddSearchAttributesRequest(
                    namespace=client.namespace, search_attributes=dict.fromkeys(missing, keyword)
                )
            )
        except RPCError as error:
            if error.status is RPCStatusCode.ALREADY_EXISTS:
                return []
            if error.status in _OPERATORS_ONLY:
                raise to_be_added(client) from error
            raise
    return missing


async def _known(client: Client) -> Collection[str] | None:
    """Return the names that the namespace has, or None where only the server's operator is told."""
    try:
        found = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace)
        )
    except RPCError as error:
        if error.status in _OPERATORS_ONLY:
            return None
        raise
    return found.custom_attributes


def to_be_added(client: Client) -> ConfigurationInvalid:
    """Return the error that says what somebody else has to add."""
    names = ", ".join(SEARCH_ATTRIBUTES)
    return ConfigurationInvalid(
        f"add the keyword search attributes {names} to namespace {client.namespace} by hand"
    )
