"""The tables that polls fill beside readings: their log, what is refused or silent, and how far a spool is stored."""

from datetime import datetime
from typing import cast

from sqlalchemy import BigInteger, ForeignKey, String, Table
from sqlalchemy.orm import Mapped, mapped_column

from models.database import Base, UtcTime
from models.reading_tables import Upsert


class PollRow(Base):
    """One poll of one gateway."""

    __tablename__ = "poll"
    __table_args__ = ({"sqlite_with_rowid": False},)

    started_at_ms: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    gateway_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    duration_ms: Mapped[float]
    latency_ms: Mapped[float | None]  # slowest round trip of its requests
    outcome: Mapped[str] = mapped_column(String(1))  # a letter of Outcome
    error: Mapped[str | None] = mapped_column(String(300))
    reading_count: Mapped[int]
    request_count: Mapped[int] = mapped_column(default=0)
    late_count: Mapped[int] = mapped_column(default=0)
    lost_count: Mapped[int] = mapped_column(default=0)
    byte_count: Mapped[int] = mapped_column(default=0)  # of Modbus frames, both ways
    missed_count: Mapped[int] = mapped_column(default=0)  # polls that were due before this one and did not happen
    held_count: Mapped[int] = mapped_column(default=0)  # ... and those held back because the gateway was down


class PointRefusal(Base):
    """A point that its device refuses to give; it is asked for again at `retry_at`."""

    __tablename__ = "point_refusal"

    data_point_id: Mapped[int] = mapped_column(ForeignKey("data_point.id", ondelete="CASCADE"), primary_key=True)
    exception_code: Mapped[int]
    since_at: Mapped[datetime] = mapped_column(UtcTime)
    retry_at: Mapped[datetime] = mapped_column(UtcTime)


class SilentUnit(Base):
    """A device that does not answer although its gateway does."""

    __tablename__ = "unit_silence"

    device_id: Mapped[int] = mapped_column(ForeignKey("device.id", ondelete="CASCADE"), primary_key=True)
    since_at: Mapped[datetime] = mapped_column(UtcTime)
    reason: Mapped[str] = mapped_column(String(300))


class SpoolPosition(Base):
    """How far a spool of polls has been stored; written with the readings, so that a replay stores nothing twice."""

    __tablename__ = "spool_position"

    spool_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger)


put_poll = Upsert(cast(Table, PollRow.__table__))
put_refusal = Upsert(cast(Table, PointRefusal.__table__))
put_silence = Upsert(cast(Table, SilentUnit.__table__))
put_position = Upsert(cast(Table, SpoolPosition.__table__))
