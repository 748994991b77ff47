"""What every table is made with: the metadata, and the types of moments and money."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, MetaData, Numeric, func

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Moment = DateTime(timezone=True)
Money = Numeric(24, 10)


def created_at() -> Column[object]:
    """Return the column that says when a row was inserted."""
    return Column("created_at", Moment, nullable=False, server_default=func.now())
