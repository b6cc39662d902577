"""Writing: the allow-list, who may, what is refused and logged, and that a write is carried out once or never."""

import copy
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from models.approved_writes import (
    ApprovedWrite,
    drop_write,
    finish_write,
    open_writes,
    take_write,
)
from models.configuration import BadConfiguration
from models.database import Database
from models.events import EventKind, LoggedEvent, Severity, newest_events
from models.gateways import DataPoint, DataType, Device, Gateway, Kind, Table, WordOrder, configuration_version
from models.users import Role, User, create_user
from models.writable import find_point, never_writable, set_writable, value_for
from models.writes import BadWrite, WriteRequest, WriteResult, WriteState, request_write, wait_for_write, withdraw_write
from tests.models.plant import add_gateway, add_site

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
SOON = NOW + timedelta(seconds=1)
TOO_LATE = NOW + timedelta(seconds=31)
DONE = WriteResult(WriteState.DONE, '"Set point" of Pump: 40 → 50 Hz, reads back 50 Hz')


@dataclass(frozen=True)
class Cast:
    """The people and the point that all tests are about; ids, since each session has rows of its own."""

    admin: int
    operator: int
    viewer: int
    screen: int
    point: int
    gateway: int


@pytest.fixture
def cast(database: Database) -> Cast:
    with database.write() as session:
        users = {role: create_user(session, role.value.title(), role, NOW).id for role in Role}
        gateway = add_gateway(session, add_site(session))
        point = data_point(data_type=DataType.INT16, unit="Hz", writable=True, write_min=0.0, write_max=60.0)
        gateway.devices.append(Device(unit_id=3, template="pump", name="Pump", data_points=[point]))
        session.flush()
        return Cast(
            users[Role.ADMIN], users[Role.OPERATOR], users[Role.VIEWER], users[Role.SCREEN], point.id, gateway.id
        )


@pytest.fixture
def session(database: Database, cast: Cast) -> Iterator[Session]:
    with database.write() as session:
        yield session


def data_point(**given: Any) -> DataPoint:
    """A holding register at 10, with other fields as given."""
    fields: dict[str, Any] = {
        "key": "set_point",
        "label": "Set point",
        "table": Table.HOLDING,
        "address": 10,
        "data_type": DataType.UINT16,
        "word_order": WordOrder.AB,
        "kind": Kind.STATE,
        "word_count": 1,
        "scale": 1.0,
        "offset": 0.0,
        "not_available": [],
    }
    return DataPoint(**(fields | given))


def change(database: Database, point: int, **values: Any) -> None:
    with database.write() as session:
        session.execute(update(DataPoint).where(DataPoint.id == point).values(**values))


def ask(database: Database, cast: Cast, value: float | str = 50, *, user: int | None = None) -> int:
    return request_write(database, user_id=user or cast.operator, point_id=cast.point, value=value, now=NOW)


def refuse(database: Database, cast: Cast, value: float | str = 50, *, user: int | None = None) -> str:
    """The words in which a write is refused."""
    with pytest.raises(BadWrite) as refusal:
        ask(database, cast, value, user=user)
    return str(refusal.value)


def take(database: Database, request_id: int, at: datetime = SOON) -> ApprovedWrite | None:
    with database.write() as session:
        return take_write(session, request_id, at)


def state(database: Database, request_id: int) -> tuple[WriteState, str]:
    with database.read() as session:
        request = session.get_one(WriteRequest, request_id)
        return request.state, request.result


def log(database: Database) -> list[LoggedEvent]:
    with database.read() as session:
        return newest_events(session, 10)


# Asking


@pytest.mark.parametrize("role", ["admin", "operator"])
def test_an_admin_and_an_operator_may_write(database: Database, cast: Cast, role: str) -> None:
    request_id = ask(database, cast, user=getattr(cast, role))
    with database.read() as session:
        stored = session.get_one(WriteRequest, request_id)
    assert (stored.data_point_id, stored.value_text, stored.requested_by) == (cast.point, "50", getattr(cast, role))
    assert (stored.requested_at, stored.state, stored.finished_at) == (NOW, WriteState.REQUESTED, None)


@pytest.mark.parametrize("role", ["viewer", "screen"])
def test_nobody_else_may_write(database: Database, cast: Cast, role: str) -> None:
    assert refuse(database, cast, user=getattr(cast, role)) == (
        f"{role.title()} as {role} may not write; only admin and operator may"
    )


def test_a_stranger_may_not_write(database: Database, cast: Cast) -> None:
    assert "a user who is no longer there may not write" in refuse(database, cast, user=999)


def test_a_refusal_is_logged_with_who_what_and_why(database: Database, cast: Cast) -> None:
    refuse(database, cast, user=cast.viewer)
    event = log(database)[0]
    assert (event.kind, event.severity, event.at) == (EventKind.WRITE_REFUSED, Severity.LOW, NOW)
    assert (event.user_id, event.data_point_id, event.gateway_id) == (cast.viewer, cast.point, cast.gateway)
    assert event.text == "Viewer writes 50: Viewer as viewer may not write; only admin and operator may"


def test_a_refused_write_is_not_stored(database: Database, cast: Cast) -> None:
    refuse(database, cast, user=cast.viewer)
    with database.read() as session:
        assert session.scalars(select(WriteRequest)).all() == []


def test_no_point_can_be_written_unless_it_says_so(database: Database, cast: Cast) -> None:
    with database.write() as session:
        gateway = session.get_one(Gateway, cast.gateway)
        plain = data_point(key="other")
        gateway.devices[0].data_points.append(plain)
        session.flush()
        assert plain.writable is False
    with pytest.raises(BadWrite, match=r'it is read only \(to allow .* point edit "North" "Pump" other --writable\)'):
        request_write(database, user_id=cast.admin, point_id=plain.id, value=1, now=NOW)
    assert log(database)[0].kind is EventKind.WRITE_REFUSED


@pytest.mark.parametrize(
    "value", [61, float("nan"), "fifty", "\ud800", 10**5000], ids=["61", "nan", "word", "surrogate", "huge"]
)
def test_a_value_that_is_refused_is_logged_whatever_it_is(database: Database, cast: Cast, value: float | str) -> None:
    refusal = refuse(database, cast, value)
    assert refusal.startswith('"Set point" of Pump: ')
    assert log(database)[0].kind is EventKind.WRITE_REFUSED
    assert log(database)[0].text.endswith(refusal)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (-1, "-1 can't be written here: only values from 0 up to 60 may be"),
        (60.5, "60.5 can't be written here: only values from 0 up to 60 may be"),
        ("61", "61 can't be written here: only values from 0 up to 60 may be"),
        (float("nan"), "nan is no value that can be written"),
        (float("inf"), "inf is no value that can be written"),
        ("-inf", "-inf is no value that can be written"),
        ("1e999", "inf is no value that can be written"),
        ("fifty", "'fifty' is no number"),
        ("1_0", "'1_0' is no number"),
        ("١٢", "'١٢' is no number"),
        ("0x10", "'0x10' is no number"),
        ("", "'' is no number"),
        ("1" * 301, "a value has 300 characters at most"),
        (10**5000, "digits"),
    ],
    ids=[
        "below",
        "above",
        "text above",
        "nan",
        "inf",
        "-inf",
        "1e999",
        "word",
        "1_0",
        "digits of another script",
        "hexadecimal",
        "empty",
        "long",
        "huge",
    ],
)
def test_a_number_outside_the_allowed_is_refused(value: float | str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        value_for(data_point(write_min=0.0, write_max=60.0), value)


@pytest.mark.parametrize(
    ("fields", "value", "words"),
    [
        ({"data_type": DataType.BIT, "bit": 3}, 2, "a bit is 0 or 1, not 2"),
        ({"data_type": DataType.STRING, "word_count": 2}, "fünf", "is no text of 4 printable bytes at most"),
        ({"data_type": DataType.STRING, "word_count": 2}, "a\0", "is no text of 4 printable bytes at most"),
        ({"data_type": DataType.STRING, "word_count": 2}, "\ud800", "is no text of 4 printable bytes at most"),
        ({"data_type": DataType.STRING, "word_count": 2}, "a ", "that does not end in spaces"),
    ],
    ids=["two in a bit", "long text", "NUL", "surrogate", "padding"],
)
def test_what_the_points_type_cannot_hold_is_refused(fields: dict[str, Any], value: float | str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        value_for(data_point(**fields), value)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"table": Table.INPUT}, "the input table is read only in Modbus; only coils and holding registers"),
        ({"table": Table.DISCRETE, "data_type": DataType.BIT}, "the discrete table is read only in Modbus"),
        ({"data_type": DataType.BIT}, "a bit of a register needs its number"),
    ],
    ids=["input", "discrete", "a bit without number"],
)
def test_a_column_set_by_hand_opens_no_table(
    database: Database, cast: Cast, fields: dict[str, Any], words: str
) -> None:
    change(database, cast.point, **fields)
    assert words in refuse(database, cast, 1)


def test_a_point_of_a_paused_gateway_is_not_written(database: Database, cast: Cast) -> None:
    with database.write() as session:
        session.get_one(Gateway, cast.gateway).enabled = False
    assert 'gateway "North" is paused; resume it first' in refuse(database, cast)


def test_a_point_that_is_gone_is_named_by_its_number(database: Database, cast: Cast) -> None:
    with pytest.raises(BadWrite, match="data point 999 is no longer there"):
        request_write(database, user_id=cast.admin, point_id=999, value=1, now=NOW)
    assert log(database)[0].data_point_id == 999


# Taking


def test_a_write_that_waits_is_taken_with_all_that_it_needs(database: Database, cast: Cast) -> None:
    request_id = ask(database, cast, "50")
    with database.read() as session:
        assert [(write.id, write.gateway_id) for write in open_writes(session)] == [(request_id, cast.gateway)]
    approved = take(database, request_id)
    assert approved is not None
    assert (approved.unit_id, approved.table, approved.address, approved.value) == (3, Table.HOLDING, 10, 50)
    assert (approved.write_min, approved.write_max, approved.unit) == (0.0, 60.0, "Hz")
    assert approved.expires_at == NOW + timedelta(seconds=30)
    assert state(database, request_id) == (WriteState.TAKEN, "")


def test_a_write_is_taken_once(database: Database, cast: Cast) -> None:
    request_id = ask(database, cast)
    assert take(database, request_id) is not None
    assert take(database, request_id) is None


def test_two_pollers_never_take_the_same_write(database: Database, cast: Cast) -> None:
    request_ids = [ask(database, cast) for _ in range(10)]
    taken: list[int] = []

    def take_all() -> None:
        taken.extend(one.request_id for request_id in request_ids if (one := take(database, request_id)))

    pollers = [threading.Thread(target=take_all) for _ in range(4)]
    for poller in pollers:
        poller.start()
    for poller in pollers:
        poller.join()
    assert sorted(taken) == request_ids


@pytest.mark.parametrize("at", [TOO_LATE, NOW - timedelta(hours=1)], ids=["after 31 s", "after the clock was set back"])
def test_a_write_that_waited_too_long_is_never_carried_out(database: Database, cast: Cast, at: datetime) -> None:
    request_id = ask(database, cast)
    assert take(database, request_id, at) is None
    expected = '"Set point" of Pump: not carried out within 30 s and dropped; nothing was written'
    assert state(database, request_id) == (WriteState.EXPIRED, expected)
    assert (log(database)[0].kind, log(database)[0].text) == (
        EventKind.WRITE_REFUSED,
        f"Operator writes 50: {expected}",
    )


@pytest.mark.parametrize(
    ("revoke", "words"),
    [
        pytest.param(update(DataPoint).values(writable=False), "it is read only", id="off the allow-list"),
        pytest.param(update(DataPoint).values(write_max=40), "only values from 0 up to 40 may be", id="tighter limits"),
        pytest.param(update(User).values(role=Role.VIEWER), "as viewer may not write", id="demoted"),
        pytest.param(update(Gateway).values(enabled=False), "is paused", id="paused"),
    ],
)
def test_leave_that_was_taken_back_meanwhile_holds(database: Database, cast: Cast, revoke: Any, words: str) -> None:
    request_id = ask(database, cast)
    with database.write() as session:
        session.execute(revoke)
    assert take(database, request_id) is None
    assert state(database, request_id)[0] is WriteState.REFUSED
    assert words in state(database, request_id)[1]
    assert log(database)[0].kind is EventKind.WRITE_REFUSED


@pytest.mark.parametrize("value", [50, -3, 12.25, 1e-7, 2**63 - 1, 0.1, "0.1", "-7", "1e3"], ids=str)
def test_a_number_comes_through_the_store_exactly(database: Database, cast: Cast, value: float | str) -> None:
    change(database, cast.point, write_min=None, write_max=None)
    approved = take(database, ask(database, cast, value))
    assert approved is not None
    assert approved.value == (float(value) if isinstance(value, str) else value)


def test_a_text_comes_through_the_store(database: Database, cast: Cast) -> None:
    change(database, cast.point, data_type=DataType.STRING, word_count=4, write_min=None, write_max=None)
    approved = take(database, ask(database, cast, "12 Ω"))
    assert approved is not None
    assert approved.value == "12 Ω"


def test_an_approved_write_can_be_made_by_nobody_else(database: Database, cast: Cast) -> None:
    approved = take(database, ask(database, cast))
    assert approved is not None
    with pytest.raises((TypeError, ValueError)):
        replace(approved, value=60)  # type: ignore[call-arg]  # what the type forbids fails at run time too
    fields = {name: getattr(approved, name) for name in ApprovedWrite.__match_args__ or approved.__slots__}
    with pytest.raises(TypeError, match="from take_write only"):
        ApprovedWrite(seal=object(), **fields)  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        copy.copy(approved).value = 60  # type: ignore[misc]  # frozen


# Ending


def test_a_write_is_logged_with_who_before_after_and_read_back(database: Database, cast: Cast) -> None:
    request_id = ask(database, cast)
    approved = take(database, request_id)
    assert approved is not None
    with database.write() as session:
        finish_write(session, approved, DONE, SOON)
    assert state(database, request_id) == (WriteState.DONE, DONE.text)
    event = log(database)[0]
    assert (event.kind, event.severity, event.at) == (EventKind.VALUE_WRITTEN, Severity.INFO, SOON)
    assert (event.user_id, event.data_point_id, event.gateway_id) == (cast.operator, cast.point, cast.gateway)
    assert event.text == 'Operator writes 50: "Set point" of Pump: 40 → 50 Hz, reads back 50 Hz'


def test_a_failure_is_a_grave_event(database: Database, cast: Cast) -> None:
    approved = take(database, ask(database, cast))
    assert approved is not None
    with database.write() as session:
        finish_write(session, approved, WriteResult(WriteState.FAILED, "x" * 999), SOON)
    event = log(database)[0]
    assert (event.kind, event.severity) == (EventKind.WRITE_FAILED, Severity.HIGH)


def test_a_result_is_stored_and_logged_once(database: Database, cast: Cast) -> None:
    approved = take(database, ask(database, cast))
    assert approved is not None
    for _ in range(2):
        with database.write() as session:
            finish_write(session, approved, DONE, SOON)
    assert len(log(database)) == 1


def test_a_write_is_logged_even_if_its_point_is_removed_meanwhile(database: Database, cast: Cast) -> None:
    approved = take(database, ask(database, cast))
    assert approved is not None
    with database.write() as session:
        session.delete(session.get_one(Gateway, cast.gateway))
    with database.write() as session:
        finish_write(session, approved, DONE, SOON)
    event = log(database)[0]
    assert (event.kind, event.data_point_id, event.user_id) == (EventKind.VALUE_WRITTEN, cast.point, cast.operator)


def test_a_write_that_a_killed_poller_left_behind_fails_and_is_not_repeated(database: Database, cast: Cast) -> None:
    request_id = ask(database, cast)
    take(database, request_id)
    with database.write() as session:
        drop_write(session, request_id, TOO_LATE)
    assert state(database, request_id)[0] is WriteState.FAILED
    assert "whether it was written is not known, and it is not repeated" in log(database)[0].text
    assert take(database, request_id) is None


def test_only_what_is_too_late_is_dropped(database: Database, cast: Cast) -> None:
    request_id = ask(database, cast)
    with database.write() as session:
        drop_write(session, request_id, SOON)
    assert state(database, request_id)[0] is WriteState.REQUESTED
    with database.write() as session:
        drop_write(session, request_id, TOO_LATE)
    assert state(database, request_id)[0] is WriteState.EXPIRED


# Waiting for it


def test_who_waits_is_told_how_it_ended(database: Database, cast: Cast) -> None:
    request_id = ask(database, cast)
    approved = take(database, request_id)
    assert approved is not None
    with database.write() as session:
        finish_write(session, approved, DONE, SOON)
    assert wait_for_write(database, request_id) == DONE


def test_who_waits_in_vain_withdraws_the_write(database: Database, cast: Cast) -> None:
    request_id = ask(database, cast)
    result = wait_for_write(database, request_id, timeout_s=0)
    assert result.state is WriteState.EXPIRED
    assert "withdrawn before it was carried out; nothing was written (is the poller running" in result.text
    assert take(database, request_id) is None


def test_a_write_that_was_taken_is_not_withdrawn(database: Database, cast: Cast) -> None:
    request_id = ask(database, cast)
    take(database, request_id)
    with database.write() as session:
        withdraw_write(session, request_id, SOON)
    result = wait_for_write(database, request_id, timeout_s=0)
    assert (result.state, result.text) == (
        WriteState.TAKEN,
        "the poller is about it and has not said how it went; see the event log",
    )


# The allow-list


def test_a_point_is_put_on_the_allow_list_and_taken_off(session: Session, cast: Cast) -> None:
    point = session.get_one(DataPoint, cast.point)
    version = configuration_version(session)
    set_writable(session, point, True, 5, 55.5, NOW)
    assert (point.writable, point.write_min, point.write_max) == (True, 5, 55.5)
    set_writable(session, point, False, None, None, NOW)
    assert (point.writable, point.write_min, point.write_max) == (False, None, None)
    assert [event.text for event in newest_events(session, 2)] == [
        '"Set point" of Pump: read only',
        '"Set point" of Pump: may be written from 5 up to 55.5',
    ]
    assert configuration_version(session) == version + 2


@pytest.mark.parametrize(
    ("fields", "limits", "words"),
    [
        ({"table": Table.INPUT}, (0, 1), "the input table is read only in Modbus"),
        ({"table": Table.DISCRETE, "data_type": DataType.BIT}, (None, None), "the discrete table is read only"),
        ({}, (5, 1), "the least value 5 is above the greatest 1"),
        ({}, (0, float("nan")), "a limit is a number, not 0 or nan"),
        ({"data_type": DataType.STRING, "word_count": 2}, (0, 1), "a text has no least and no greatest value"),
        ({"scale": 0.0}, (None, None), "scale is 0"),
    ],
    ids=["input", "discrete", "the wrong way round", "not a number", "text", "no scale"],
)
def test_a_point_that_cannot_be_written_stays_off_the_allow_list(
    fields: dict[str, Any], limits: tuple[float | None, float | None], words: str
) -> None:
    point = alone(data_point(**fields))
    with pytest.raises(BadConfiguration, match=words):
        set_writable(Session(), point, True, *limits, NOW)
    assert not point.writable


def alone(point: DataPoint, template: str = "pump", unit_id: int = 3) -> DataPoint:
    """A point with its device, in no database."""
    Device(unit_id=unit_id, template=template, name="Pump", data_points=[point])
    return point


LONG = {"data_type": DataType.UINT32, "word_order": WordOrder.ABCD, "word_count": 2}


@pytest.mark.parametrize(
    ("template", "fields", "is_a_link"),
    [
        ("teltonika-rutos", {"address": 211}, True),
        ("teltonika-rutos", {"address": 210}, True),
        ("teltonika-rutos/wired", {"address": 209, **LONG}, True),
        ("my-router", {"address": 7, "key": "mobile_data_on"}, True),
        ("teltonika-rutos", {"address": 209}, False),
        ("teltonika-rutos", {"address": 202, "key": "relay_output"}, False),
        ("teltonika-rutos", {"address": 211, "table": Table.COIL, "data_type": DataType.BIT}, False),
        ("eastron-sdm630", {"address": 211}, False),
    ],
    ids=["mobile data", "Wi-Fi", "reaches it", "by its name", "beside it", "relay", "a coil", "another's register"],
)
def test_the_routers_own_links_are_never_switched(template: str, fields: dict[str, Any], is_a_link: bool) -> None:
    complaint = never_writable(alone(data_point(**fields), template))
    assert complaint == ("it switches a link of the router, and we may arrive by that link" if is_a_link else None)


def test_unit_0_is_never_written_since_all_devices_would_take_the_value() -> None:
    complaint = never_writable(alone(data_point(), unit_id=0))
    assert complaint == "unit 0 stands for all devices on a bus, and every one of them would take the value"


def test_a_router_link_stays_off_whoever_has_set_the_column(database: Database, cast: Cast) -> None:
    change(database, cast.point, key="mobile_data")
    assert "it switches a link of the router" in refuse(database, cast)


@pytest.mark.parametrize("names", [("north", "pump", "SET_POINT"), ("North", "3", "Set point")], ids=["key", "label"])
def test_a_point_is_found_by_its_names_whatever_their_case(
    session: Session, cast: Cast, names: tuple[str, str, str]
) -> None:
    assert find_point(session, *names).id == cast.point


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("Nort", "Pump", "set_point"), 'there is no gateway "Nort"; did you mean North?'),
        (("North", "Pumpe", "set_point"), 'gateway "North" has no device "Pumpe"; did you mean Pump?'),
        (("North", "xyz", "set_point"), 'gateway "North" has no device "xyz"; there are Pump'),
        (("North", "Pump", "setpoint"), 'Pump has no data point "setpoint"; did you mean set_point?'),
        (("North", "Pump", "xyz"), 'Pump has no data point "xyz"; there are set_point'),
    ],
    ids=["gateway", "device", "no such device", "point", "no such point"],
)
def test_a_name_that_is_not_there_brings_up_those_that_are_close(
    session: Session, cast: Cast, names: tuple[str, str, str], words: str
) -> None:
    with pytest.raises(BadConfiguration) as error:
        find_point(session, *names)
    assert str(error.value) == words
