"""What is known of the plant: Site > Gateway > Device > DataPoint, and the one function that says how a gateway is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import JSON, ForeignKey, String, UniqueConstraint, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship, selectinload

from models.database import Base, UtcTime, words

NEVER_AGAIN = {"sqlite_autoincrement": True}  # an id is not given twice: readings outlive their point


class Table(StrEnum):
    """The four tables of Modbus."""

    COIL = "coil"
    DISCRETE = "discrete"
    HOLDING = "holding"
    INPUT = "input"

    @property
    def is_bits(self) -> bool:
        return self in (Table.COIL, Table.DISCRETE)


class DataType(StrEnum):
    """How a value is written in registers; `_low` and `_high` name the byte of the register."""

    BIT = "bit"
    INT8_LOW = "int8_low"
    INT8_HIGH = "int8_high"
    UINT8_LOW = "uint8_low"
    UINT8_HIGH = "uint8_high"
    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"
    INT64 = "int64"
    UINT64 = "uint64"
    FLOAT16 = "float16"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    STRING = "string"


class WordOrder(StrEnum):
    """The order of a value's bytes on the wire; A is the most significant byte."""

    AB = "AB"
    BA = "BA"
    ABCD = "ABCD"
    DCBA = "DCBA"
    BADC = "BADC"
    CDAB = "CDAB"
    ABCDEFGH = "ABCDEFGH"
    HGFEDCBA = "HGFEDCBA"
    BADCFEHG = "BADCFEHG"
    GHEFCDAB = "GHEFCDAB"


class Kind(StrEnum):
    """What a value means over time."""

    INSTANTANEOUS = "instantaneous"
    COUNTER = "counter"
    STATE = "state"
    TEXT = "text"


class Quantity(StrEnum):
    """Quantities the program itself reckons with; a point that is only shown has none."""

    ACTIVE_POWER = "active_power"  # of the whole meter
    REACTIVE_POWER = "reactive_power"
    ENERGY_IMPORT = "energy_import"
    ENERGY_EXPORT = "energy_export"
    SIGNAL_STRENGTH = "signal_strength"
    UPTIME = "uptime"


class DeviceRole(StrEnum):
    """What a meter stands for in the energy of its site; a device without one measures a load."""

    GRID = "grid"  # a main meter: where a site has some, they alone say what it draws and gives away
    GENERATION = "generation"  # what the plant generates itself
    LOAD = "load"


class Status(StrEnum):
    """How a gateway is, in the words people see."""

    NEVER_SEEN = "never seen"
    ONLINE = "online"
    DEGRADED = "degraded"
    OFFLINE = "offline"
    PAUSED = "paused"


class Outcome(StrEnum):
    """How a poll ended; one letter each in Gateway.recent_outcomes."""

    OK = "o"  # every point was read
    PARTIAL = "p"  # some were
    FAILED = "f"  # none was


@dataclass(frozen=True, slots=True)
class Encoding:
    """How one value lies in its registers: value = raw * scale + offset.

    word_count: registers the value takes (bits of a coil table: 1).
    bit: for DataType.BIT in a register, 0 is the least significant.
    not_available: raw words, as one unsigned integer read high byte first after reordering, that mean "no value". One
    that is wider than the value holds a mask of the bits that count in its upper half and the pattern in its lower.
    """

    data_type: DataType
    word_order: WordOrder
    word_count: int = 1
    bit: int | None = None
    scale: float = 1.0
    offset: float = 0.0
    not_available: tuple[int, ...] = ()


class Site(Base):
    """A plant in one time zone."""

    __tablename__ = "site"
    __table_args__ = (NEVER_AGAIN,)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    time_zone: Mapped[str] = mapped_column(String(64))  # IANA name
    contract_power_w: Mapped[float | None]
    is_simulated: Mapped[bool] = mapped_column(default=False)

    gateways: Mapped[list["Gateway"]] = relationship(back_populates="site", order_by="Gateway.id")


class Gateway(Base):
    """A router that speaks Modbus TCP, with its meters behind it and how polling it has gone."""

    __tablename__ = "gateway"
    # Two masters on one serial bus would disturb each other.
    __table_args__ = (UniqueConstraint("host", "port"), NEVER_AGAIN)

    id: Mapped[int] = mapped_column(primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    name: Mapped[str] = mapped_column(String(100), unique=True)
    area: Mapped[str] = mapped_column(String(100), default="")  # part of the plant, e.g. "Body shop"
    host: Mapped[str] = mapped_column(String(255))
    port: Mapped[int] = mapped_column(default=502)
    poll_interval_s: Mapped[float]
    connect_timeout_s: Mapped[float] = mapped_column(default=10.0)
    first_timeout_s: Mapped[float] = mapped_column(default=5.0)  # first request of a new connection
    shortest_timeout_s: Mapped[float] = mapped_column(default=1.5)  # later ones: 4 round trips, between these two
    longest_timeout_s: Mapped[float] = mapped_column(default=30.0)
    connect_pause_s: Mapped[float] = mapped_column(default=0.0)  # rest between connecting and the first request
    request_gap_s: Mapped[float] = mapped_column(default=0.0)  # rest between two requests
    release_socket: Mapped[bool] = mapped_column(default=False)  # close the connection between polls
    data_budget_mb: Mapped[float | None]  # allowed for polling, per month
    enabled: Mapped[bool] = mapped_column(default=True)

    status: Mapped[Status] = mapped_column(words(Status), default=Status.NEVER_SEEN)
    status_since_at: Mapped[datetime | None] = mapped_column(UtcTime)
    status_reason: Mapped[str] = mapped_column(String(300), default="")
    recent_outcomes: Mapped[str] = mapped_column(String(10), default="")  # newest last
    last_attempt_at: Mapped[datetime | None] = mapped_column(UtcTime)
    last_success_at: Mapped[datetime | None] = mapped_column(UtcTime)
    success_count: Mapped[int] = mapped_column(default=0)  # polls that read something
    failure_count: Mapped[int] = mapped_column(default=0)  # polls that read nothing
    late_count: Mapped[int] = mapped_column(default=0)  # replies that came after their time-out
    lost_count: Mapped[int] = mapped_column(default=0)  # requests that were never answered
    missed_count: Mapped[int] = mapped_column(default=0)  # polls that were due and did not happen
    latency_p95_ms: Mapped[float | None]  # round trip of a request, over the last 100 polls
    normal_low_w: Mapped[float | None]  # 5th and 95th percentile of the power over 7 days
    normal_high_w: Mapped[float | None]

    site: Mapped[Site] = relationship(back_populates="gateways")
    devices: Mapped[list["Device"]] = relationship(
        back_populates="gateway", cascade="all, delete-orphan", order_by="Device.unit_id"
    )


class Device(Base):
    """One unit behind a gateway: the router itself or a meter."""

    __tablename__ = "device"
    __table_args__ = (UniqueConstraint("gateway_id", "unit_id"), NEVER_AGAIN)

    id: Mapped[int] = mapped_column(primary_key=True)
    gateway_id: Mapped[int] = mapped_column(ForeignKey("gateway.id", ondelete="CASCADE"))
    unit_id: Mapped[int]  # 0..255
    template: Mapped[str] = mapped_column(String(64))  # key of a device template
    name: Mapped[str] = mapped_column(String(100))
    rated_power_w: Mapped[float | None]  # of its connection: no counter behind it can grow faster
    role: Mapped[DeviceRole | None] = mapped_column(words(DeviceRole))  # in the energy of its site

    gateway: Mapped[Gateway] = relationship(back_populates="devices")
    data_points: Mapped[list["DataPoint"]] = relationship(
        back_populates="device", cascade="all, delete-orphan", order_by="DataPoint.id"
    )


class DataPoint(Base):
    """One value of a device: where it lies, how it is written and what it means."""

    __tablename__ = "data_point"
    __table_args__ = (UniqueConstraint("device_id", "key"), NEVER_AGAIN)

    id: Mapped[int] = mapped_column(primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("device.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(String(64))  # the point's key in its template
    label: Mapped[str] = mapped_column(String(100))
    table: Mapped[Table] = mapped_column("register_table", words(Table))
    address: Mapped[int]  # zero based, as on the wire
    data_type: Mapped[DataType] = mapped_column(words(DataType))
    word_order: Mapped[WordOrder] = mapped_column(words(WordOrder))
    word_count: Mapped[int] = mapped_column(default=1)
    bit: Mapped[int | None]
    scale: Mapped[float] = mapped_column(default=1.0)
    offset: Mapped[float] = mapped_column("value_offset", default=0.0)
    not_available: Mapped[list[int]] = mapped_column(JSON, default=list)
    unit: Mapped[str] = mapped_column(String(16), default="")
    kind: Mapped[Kind] = mapped_column(words(Kind))
    quantity: Mapped[Quantity | None] = mapped_column(words(Quantity))
    plausible_min: Mapped[float | None]
    plausible_max: Mapped[float | None]
    enabled: Mapped[bool] = mapped_column(default=True)
    scale_address: Mapped[int | None]  # register with a power of ten that the value is multiplied by, read with it
    # If not empty, the two addresses count from the id register of the first of these models in the unit's chain.
    sunspec_models: Mapped[list[int]] = mapped_column(JSON, default=list)
    modulus: Mapped[float | None]  # a counter that reaches it goes on from 0; in the point's unit
    writable: Mapped[bool] = mapped_column(default=False)
    write_min: Mapped[float | None]
    write_max: Mapped[float | None]

    device: Mapped[Device] = relationship(back_populates="data_points")

    @property
    def encoding(self) -> Encoding:
        return Encoding(
            self.data_type,
            self.word_order,
            self.word_count,
            self.bit,
            self.scale,
            self.offset,
            tuple(self.not_available),
        )


class ConfigurationVersion(Base):
    """One row that counts changes of gateways, devices and points, so that the poller sees an edit at once."""

    __tablename__ = "configuration_version"

    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int]


OFFLINE_AFTER_FAILURES = 3
OFFLINE_AFTER_INTERVALS = 6
WEIGHED_POLLS = 5
DEGRADED_AFTER_BAD = 2  # of those; none bad among them restores


def status(
    *,
    enabled: bool,
    previous: Status,
    recent_outcomes: Sequence[str],
    last_success_at: datetime | None,
    poll_interval_s: float,
    now: datetime,
) -> Status:
    """How a gateway is, from its last success and its recent polls; the same answer everywhere.

    Hysteresis: two bad polls of the last five degrade it and five good ones in a row restore it; three failures in a
    row, or six intervals (30 s at least) without a success, take it offline and one success brings it back as degraded.
    recent_outcomes: letters of Outcome, newest last, ten at most; cleared when a gateway is paused.
    """
    recent = list(recent_outcomes)
    if not enabled or (previous is Status.PAUSED and not recent):  # resumed, but not polled yet
        return Status.PAUSED
    if last_success_at is None:
        return Status.NEVER_SEEN
    silent_for = now - last_success_at
    failing = len(recent) >= OFFLINE_AFTER_FAILURES and set(recent[-OFFLINE_AFTER_FAILURES:]) == {Outcome.FAILED}
    if failing or silent_for > timedelta(seconds=max(OFFLINE_AFTER_INTERVALS * poll_interval_s, 30)):
        return Status.OFFLINE
    weighed = recent[-WEIGHED_POLLS:]
    bad = sum(outcome != Outcome.OK for outcome in weighed)
    if previous is Status.PAUSED and recent[-1] == Outcome.FAILED:
        return Status.DEGRADED
    if previous in (Status.DEGRADED, Status.OFFLINE):
        healed = len(weighed) == WEIGHED_POLLS and bad == 0
        return Status.ONLINE if healed else Status.DEGRADED
    return Status.DEGRADED if bad >= DEGRADED_AFTER_BAD else Status.ONLINE


def configuration_changed(session: Session) -> None:
    """Tell the poller, in the same transaction, that gateways, devices or points have changed."""
    session.execute(update(ConfigurationVersion).values(version=ConfigurationVersion.version + 1))


def configuration_version(session: Session) -> int:
    return session.scalars(select(ConfigurationVersion.version)).one()


def load_gateways(session: Session) -> list[Gateway]:
    """All gateways with their devices and points loaded, ordered by id; usable after the session is closed."""
    loaded = selectinload(Gateway.devices).selectinload(Device.data_points)
    return list(session.scalars(select(Gateway).options(loaded, selectinload(Gateway.site)).order_by(Gateway.id)))
