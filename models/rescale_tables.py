"""The tables of edits of scales, and of histories that are being carried over to another one."""

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from models.database import Base


class Rescaling(Base):
    """One point whose history is being carried over; the row goes when all of it is.

    Readings before `before_ms` follow the new scale up to `done_until_ms` of `phase`; then so do rollups that begin
    before `raw_from_ms`, whose readings are gone; the others are computed anew.
    """

    __tablename__ = "rescaling"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    data_point_id: Mapped[int]
    before_ms: Mapped[int] = mapped_column(BigInteger)
    raw_from_ms: Mapped[int] = mapped_column(BigInteger)
    old_scale: Mapped[float]
    old_offset: Mapped[float]
    new_scale: Mapped[float]
    new_offset: Mapped[float]
    phase: Mapped[int] = mapped_column(default=0)
    done_until_ms: Mapped[int] = mapped_column(BigInteger, default=0)


class ScaleEdit(Base):
    """An edit of a point's scale, kept for good: what was read by the old one may be stored long after.

    configuration: the version of the configuration from which on the point is read by the new scale. is_carried_over:
    what was read before `edited_at_ms` follows the new scale as well.
    """

    __tablename__ = "scale_edit"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    data_point_id: Mapped[int]
    configuration: Mapped[int]
    edited_at_ms: Mapped[int] = mapped_column(BigInteger)
    is_carried_over: Mapped[bool]
    old_scale: Mapped[float]
    old_offset: Mapped[float]
    new_scale: Mapped[float]
    new_offset: Mapped[float]
