"""One write as constant SQL text and the values it carries. Every stage's `Batch` is made of these.

The text depends on the table and the names of its columns alone, so it is made once per shape and stays prepared;
composing it anew for each write took most of a guard pass's time. Values only ever travel as parameters, and
PostgreSQL takes their types from the columns.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.driver import Record, first_row

_SHAPES = 512
"""Most texts kept. The code has fewer: a shape is a table and a set of columns, never a value."""


class Moment(Enum):
    """A value that the database makes itself."""

    NOW = "clock_timestamp()"


NOW = Moment.NOW


class Json(str):
    """JSON text for a `jsonb` column, as its serialiser made it: no second one need read it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Write:
    """An INSERT or UPDATE without RETURNING."""

    sql: str
    """Constant, with `{name}` for each value."""
    values: Mapping[str, object]
    """By the names in `sql`, each as the driver takes it: a `jsonb` as text."""

    def ending(self, clause: str) -> Write:
        """Return it with a constant clause behind it, for example ON CONFLICT."""
        return Write(f"{self.sql} {clause}", self.values)


def inserting(table: Table, values: Mapping[str, object]) -> Write:
    """Return the write of one new row. None is NULL; what is not named gets its default.

    Raises:
        KeyError: the table has no such column.
    """
    return Write(_insert(table, _shape(values)), _bound(table, values))


def updating(table: Table, values: Mapping[str, object], *, where: Mapping[str, object]) -> Write:
    """Return the change of every row whose columns equal those of `where`. Nothing equals None.

    Raises:
        KeyError: the table has no such column.
    """
    found = {f"where_{name}": value for name, value in _bound(table, where).items()}
    return Write(_update(table, _shape(values), tuple(where)), {**_bound(table, values), **found})


async def execute(connection: AsyncConnection, write: Write) -> Record | None:
    """Run one write in the caller's transaction; return the first row of its RETURNING, if it has one.

    Raises:
        asyncpg.PostgresError, asyncpg.InterfaceError: bare; `Database` makes them ours.
    """
    return await first_row(connection, numbered(write.sql, tuple(write.values)), list(write.values.values()))


@lru_cache(_SHAPES)
def numbered(sql: str, names: tuple[str, ...], after: int = 0) -> str:
    """Return the text with each `{name}` as the driver's `$n`, counted from `after` + 1 in the order of `names`."""
    return sql.format_map({name: f"${after + place}" for place, name in enumerate(names, 1)})


def _shape(values: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Return each column with what is written for it."""
    return tuple(
        (name, value.value if isinstance(value, Moment) else f"{{{name}}}") for name, value in values.items()
    )


@lru_cache(_SHAPES)
def _insert(table: Table, shape: tuple[tuple[str, str], ...]) -> str:
    columns = ", ".join(f'"{table.c[name].name}"' for name, _ in shape)
    return f"INSERT INTO {table.name} ({columns}) VALUES ({', '.join(said for _, said in shape)})"  # noqa: S608


@lru_cache(_SHAPES)
def _update(table: Table, shape: tuple[tuple[str, str], ...], where: tuple[str, ...]) -> str:
    changed = ", ".join(f'"{table.c[name].name}" = {said}' for name, said in shape)
    met = " AND ".join(f'"{table.c[name].name}" = {{where_{name}}}' for name in where)
    return f"UPDATE {table.name} SET {changed} WHERE {met}"  # noqa: S608  names of the schema, no values


def _bound(table: Table, values: Mapping[str, object]) -> dict[str, object]:
    documents = _documents(table)
    return {
        name: _json(value) if name in documents else value
        for name, value in values.items()
        if not isinstance(value, Moment)
    }


@lru_cache(_SHAPES)
def _documents(table: Table) -> frozenset[str]:
    return frozenset(column.name for column in table.c if isinstance(column.type, JSONB))


def _json(value: object) -> str | None:
    if value is None or isinstance(value, Json):
        return value
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
