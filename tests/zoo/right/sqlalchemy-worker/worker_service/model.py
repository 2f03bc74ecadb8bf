"""What the worker maps of the table: no more than it needs, so that it can write no more either."""

from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Task(Base):
    __tablename__ = "tasks"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    type: Mapped[str]
    payload: Mapped[Any] = mapped_column(JSONB)
    status: Mapped[str]
    assigned_worker: Mapped[str | None]
    version: Mapped[int] = mapped_column()
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime] = mapped_column(onupdate=func.now())

    # Each UPDATE of the unit of work gets "AND version = …" and counts it up; no row met is a StaleDataError.
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 (SQLAlchemy reads it from the class)
