"""Device templates: every file of ours loads, can be read and can be stored; variants; what comes from the library."""

from pathlib import Path
from time import process_time

import pytest
from sqlalchemy import select

from models import device_template
from models.database import Base, Database
from models.device_template import UNITS, TemplatePoint, UnknownTemplate, new_device, template, templates
from models.gateways import DataPoint, Device, Gateway, Kind, Quantity, Site
from poller.decode import decode, encode
from poller.plan import PlannedPoint
from poller.read_plan import plan_reads
from poller.sunspec import Chain, Model, placed, plan_models

STATUS = {
    "abb-b23": "C",
    "abb-b24": "C",
    "carlo-gavazzi-em24": "V",
    "carlo-gavazzi-em24-e1": "C",
    "carlo-gavazzi-em340": "V",
    "eastron-sdm120": "V",
    "eastron-sdm230": "C",
    "eastron-sdm630": "V",
    "janitza-umg96rm": "V",
    "schneider-iem3155": "C",
    "schneider-pm5xxx": "U",
    "schneider-powertag": "V",
    "siemens-pac3200": "C",
    "socomec-countis-e14": "V",
    "socomec-countis-e23": "V",
    "socomec-countis-e24": "V",
    "socomec-countis-e34": "V",
    "sunspec-inverter": "V",
    "sunspec-inverter-float": "V",
    "sunspec-meter": "V",
    "sunspec-meter-float": "V",
    "teltonika-rutos": "V",
}
KEYS = list(STATUS)
VARIANTS = [f"{key}/{name}" for key in KEYS for name in template(key).variants]
SUNSPEC = [key for key in KEYS if key.startswith("sunspec-")]


def points_of(key: str) -> dict[str, TemplatePoint]:
    return {point.key: point for point in template(key).points}


def planned(key: str) -> list[PlannedPoint]:
    """All points of a new device, also those that are off."""
    points = []
    for number, row in enumerate(new_device(key, 1, "device").data_points, start=1):
        row.id, row.enabled = number, True
        points.append(PlannedPoint.of(row))
    return points


def test_these_device_models_are_known() -> None:
    assert {key: known.status for key, known in templates().items()} == STATUS
    assert all(key == known.key for key, known in templates().items())
    assert list(templates()) == sorted(templates())


@pytest.mark.parametrize("key", KEYS)
def test_a_template_says_where_its_knowledge_comes_from_and_its_traps(key: str) -> None:
    known = template(key)

    assert known.maker and known.model and known.note
    assert all(known.sources)


def test_all_templates_load_in_half_a_second() -> None:
    device_template._shipped.cache_clear()
    template.cache_clear()
    started = process_time()
    templates()

    assert process_time() - started < 0.5


def test_a_template_that_was_asked_for_is_at_hand() -> None:
    assert template("abb-b23") is template("abb-b23")
    assert template("abb-b23/steel") is template("abb-b23/steel")


def test_an_unknown_template_names_those_that_are_close() -> None:
    with pytest.raises(UnknownTemplate, match="'eastron-sdm640'; there is eastron-sdm630"):
        template("eastron-sdm640")


def test_a_template_like_none_of_ours_names_them_all() -> None:
    with pytest.raises(UnknownTemplate, match=r"abb-b23, .*, teltonika-rutos"):
        template("?")


@pytest.mark.parametrize("key", [key for key in KEYS if key not in SUNSPEC])
def test_every_point_of_a_template_is_read_in_blocks_within_its_limits(key: str) -> None:
    limits = template(key).limits
    blocks = plan_reads(planned(key), limits)

    assert sum(len(block.points) for block in blocks) == len(template(key).points)
    for block in blocks:
        assert block.count <= limits.max_registers
        assert not limits.even_only or block.count % 2 == 0
        covered = {place for point in block.points for place in range(point.address, point.address + point.word_count)}
        assert covered == set(range(block.address, block.end))  # nothing undocumented is read


@pytest.mark.parametrize("key", SUNSPEC)
def test_a_sunspec_unit_is_read_in_few_blocks_with_each_scale_beside_its_value(key: str) -> None:
    known = template(key)
    model_id = min(known.sunspec_models)
    chain = Chain(40000, (Model(1, 40002, 66), Model(model_id, 40070, 122)))

    blocks = plan_models(placed(planned(key), chain), known.limits, (), ())

    assert sum(len(block.points) for block in blocks) == len(known.points)
    assert len(blocks) <= 3
    for block in blocks:
        assert block.count <= known.limits.max_registers
        for point in block.points:
            assert block.address <= point.address and point.address + point.word_count <= block.end
            assert point.scale_address is None or block.address <= point.scale_address < block.end


REQUESTS = {
    "abb-b23": [
        (0x5000, 8), (0x5460, 24), (0x5B00, 6), (0x5B0C, 6), (0x5B14, 8), (0x5B2C, 1), (0x5B3A, 4), (0x8908, 8)
    ],
    "carlo-gavazzi-em24": [
        (0x00, 10), (0x0A, 10), (0x14, 10), (0x1E, 6), (0x28, 6), (0x32, 4), (0x37, 1), (0x3E, 6), (0x46, 6), (0x5C, 2)
    ],
    "carlo-gavazzi-em340": [(0x00, 36), (0x28, 10), (0x33, 5), (0x3C, 2), (0x40, 6), (0x4E, 2)],
    "eastron-sdm120": [(0, 2), (6, 2), (12, 2), (18, 2), (24, 2), (30, 2), (70, 10), (342, 4)],
    "eastron-sdm630": [(0, 36), (52, 2), (56, 2), (60, 4), (70, 10), (234, 6), (342, 16)],
    "janitza-umg96rm": [(19000, 52), (19060, 18)],
    "siemens-pac3200": [(1, 70), (801, 40)],
    "socomec-countis-e24": [(0xC552, 42), (0xC702, 2), (0xC708, 2), (0xC70C, 2)],
    "teltonika-rutos": [(1, 86), (87, 52), (185, 16)],
}  # fmt: skip


@pytest.mark.parametrize("key", REQUESTS)
def test_a_template_takes_this_many_requests(key: str) -> None:
    blocks = plan_reads(new_device(key, 1, "device").data_points, template(key).limits)

    assert [(block.address, block.count) for block in blocks] == REQUESTS[key]


@pytest.mark.parametrize("key", KEYS)
def test_plausible_values_of_every_point_survive_the_wire(key: str) -> None:
    for point in template(key).points:
        for value in plausible_values(point):
            read = decode(encode(value, point.encoding), point.encoding)
            nearest = value if isinstance(value, str) else pytest.approx(value, rel=1e-6, abs=abs(point.scale))
            assert read == nearest, point.key


def plausible_values(point: TemplatePoint) -> list[float | str]:
    if point.kind is Kind.TEXT:
        return ["sim1"]
    assert point.plausible_min is not None and point.plausible_max is not None, point.key
    low, high = point.plausible_min, point.plausible_max
    if point.scale_register is not None:  # how far its numbers reach, that register says
        low, high = max(low, -100 * point.scale), min(high, 30_000 * point.scale)
    return [low + (high - low) * share for share in (0.1, 0.55, 0.9)]


@pytest.mark.parametrize("key", KEYS)
def test_no_power_and_no_energy_are_plausible(key: str) -> None:
    for point in template(key).points:
        if point.unit in ("W", "VA", "var", "A", "kWh", "kvarh", "kVAh"):
            assert point.plausible_min is not None and point.plausible_max is not None, point.key
            assert point.plausible_min <= 0 < point.plausible_max, point.key


WHOLE = {Quantity.ACTIVE_POWER, Quantity.REACTIVE_POWER, Quantity.ENERGY_IMPORT, Quantity.ENERGY_EXPORT}
LACKS = {
    "abb-b23": {Quantity.REACTIVE_POWER},
    "abb-b24": {Quantity.REACTIVE_POWER},
    "abb-b23/steel": {Quantity.REACTIVE_POWER, Quantity.ENERGY_EXPORT},
    "abb-b24/steel": {Quantity.REACTIVE_POWER, Quantity.ENERGY_EXPORT},
    "schneider-iem3155/iem3150": {Quantity.ENERGY_EXPORT},
    "siemens-pac3200": {Quantity.ENERGY_IMPORT, Quantity.ENERGY_EXPORT},  # each the sum of two tariffs
    "sunspec-inverter": WHOLE - {Quantity.ENERGY_EXPORT},  # what it produces is no consumption
    "sunspec-inverter-float": WHOLE - {Quantity.ENERGY_EXPORT},
    "sunspec-meter": {Quantity.REACTIVE_POWER},
    "sunspec-meter-float": {Quantity.REACTIVE_POWER},
}


@pytest.mark.parametrize("key", [key for key in (*KEYS, *VARIANTS) if not key.startswith("teltonika")])
def test_a_meter_tells_power_and_energies_of_the_whole_meter(key: str) -> None:
    known = template(key)
    quantities = {point.quantity: point for point in known.points if point.quantity}

    assert set(quantities) == WHOLE - LACKS.get(key, set())
    assert all(quantity.value == point.key for quantity, point in quantities.items())
    assert all(point.kind is Kind.COUNTER for quantity, point in quantities.items() if "energy" in quantity)


def test_a_router_tells_its_signal_and_uptime() -> None:
    assert {point.quantity for point in template("teltonika-rutos").points} - {None} == {
        Quantity.SIGNAL_STRENGTH,
        Quantity.UPTIME,
    }


def test_a_positive_power_is_import_but_for_inverters() -> None:
    signs = {key: known.sign for key, known in templates().items() if known.sign != "import_positive"}

    assert signs == {
        "sunspec-inverter": "export_positive",
        "sunspec-inverter-float": "export_positive",
        "teltonika-rutos": "none",
    }


def test_what_times_out_on_a_router_is_off() -> None:
    assert not any(point.enabled for point in template("teltonika-rutos").points if point.address >= 328)


@pytest.mark.parametrize("key", KEYS)
def test_no_template_of_ours_lets_anything_be_written(key: str) -> None:
    assert not any(point.writable for point in template(key).points)


@pytest.mark.parametrize("key", VARIANTS)
def test_a_variant_has_a_name_of_its_own_and_its_device_knows_it(key: str) -> None:
    base, known = template(key.partition("/")[0]), template(key)

    assert known.key == key and known.model != base.model
    assert new_device(key, 1, "device").template == key
    assert (known.limits, known.sign, known.sources) == (base.limits, base.sign, base.sources)


def test_a_variant_lacks_what_the_model_does_not_have() -> None:
    assert set(points_of("abb-b23")) - set(points_of("abb-b23/steel")) == {
        "energy_export",
        "energy_export_l1",
        "energy_export_l2",
        "energy_export_l3",
    }
    assert set(points_of("teltonika-rutos/wired")) == {
        "uptime", "hostname", "serial_number", "lan_mac", "router_name", "wan_ipv4_1", "wan_ipv4_2", "wan_ipv4_3",
        "wan_ipv4_4", "digital_input_4_pin", "digital_output_4_pin", "pin_3_direction", "pin_4_direction",
    }  # fmt: skip


def test_a_variant_reads_what_its_model_surely_has() -> None:
    assert not points_of("teltonika-rutos")["data_sent_today_sim_2"].enabled
    assert points_of("teltonika-rutos/two-sims")["data_sent_today_sim_2"].enabled
    assert "gps_latitude" not in points_of("teltonika-rutos/two-sims")
    assert points_of("teltonika-rutos/two-sims-gps")["gps_latitude"].enabled


def test_the_import_of_a_meter_with_one_tariff_is_that_of_the_whole_meter() -> None:
    tariff, whole = points_of("siemens-pac3200")["energy_import_t1"], points_of("siemens-pac3200/one-tariff")

    assert tariff.quantity is None
    assert whole["energy_import"].quantity is Quantity.ENERGY_IMPORT
    assert whole["energy_import"].encoding == tariff.encoding


def test_an_unknown_variant_names_those_there_are() -> None:
    with pytest.raises(UnknownTemplate, match=r"'abb-b23' has no variant 'stone'; it has steel"):
        template("abb-b23/stone")
    with pytest.raises(UnknownTemplate, match=r"'eastron-sdm120' has no variant 'steel'$"):
        template("eastron-sdm120/steel")


def test_a_scale_register_and_a_sunspec_model_reach_the_data_point() -> None:
    device = new_device("sunspec-inverter", 3, "Inverter")
    power = next(point for point in device.data_points if point.key == "active_power_ac")

    assert (power.address, power.scale_address, power.sunspec_models) == (14, 15, [101, 102, 103])
    assert template("sunspec-inverter").sunspec_models == {101, 102, 103}
    assert template("eastron-sdm120").sunspec_models == frozenset()


def test_a_modulus_reaches_the_data_point() -> None:
    device = new_device("socomec-countis-e24", 3, "Press")

    assert {point.key: point.modulus for point in device.data_points}["energy_import"] == pytest.approx(2**32 / 100)


def test_a_rule_of_recognition_compares_whole_values_and_beginnings() -> None:
    (rule,) = template("socomec-countis-e24").identify
    ids = template("carlo-gavazzi-em24-e1").identify

    assert rule.holds_for("COUNTIS E24 MID") and rule.holds_for("Countis E24")
    assert not rule.holds_for("Countis E23") and not rule.holds_for(None)
    assert [one.equals for one in ids] == list(range(1648, 1654))
    assert ids[0].holds_for(1648) and not ids[0].holds_for(1649) and not ids[0].holds_for(None)


def test_a_new_device_has_every_point_of_its_template() -> None:
    device = new_device("carlo-gavazzi-em24", 7, "Press 2")

    assert (device.unit_id, device.template, device.name) == (7, "carlo-gavazzi-em24", "Press 2")
    for point, known in zip(device.data_points, template("carlo-gavazzi-em24").points, strict=True):
        assert point.encoding == known.encoding
        for name in ("key", "label", "table", "address", "unit", "kind", "quantity", "enabled", "modulus"):
            assert getattr(point, name) == getattr(known, name)
        assert (point.plausible_min, point.plausible_max) == (known.plausible_min, known.plausible_max)


@pytest.mark.parametrize("key", [*KEYS, *VARIANTS])
def test_a_new_device_comes_back_from_the_database_as_it_was(key: str, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/monitor.db")
    Base.metadata.create_all(database.engine)
    gateway = Gateway(name="North", host="127.0.0.1", poll_interval_s=5)
    gateway.devices = [new_device(key, 1, "device")]
    with database.write() as session:
        session.add(Site(name="Plant", time_zone="UTC", gateways=[gateway]))
    with database.read() as session:
        stored = session.scalars(select(DataPoint).join(Device).order_by(DataPoint.id)).all()

        assert [point.encoding for point in stored] == [point.encoding for point in template(key).points]
        assert [point.scale_address for point in stored] == [point.scale_register for point in template(key).points]
        assert [tuple(point.sunspec_models) for point in stored] == [point.sunspec for point in template(key).points]
    database.close()


def test_every_unit_of_ours_is_canonical() -> None:
    assert {point.unit for known in templates().values() for point in known.points} <= set(UNITS)
