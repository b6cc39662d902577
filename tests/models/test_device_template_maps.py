"""The register maps of ours, held against those of the makers a second time."""

import pytest

from models.device_template import TemplatePoint, template, templates
from models.gateways import DataType, Kind, Table, WordOrder
from poller.decode import decode

KEYS = list(templates())


def points_of(key: str) -> dict[str, TemplatePoint]:
    return {point.key: point for point in template(key).points}


# Wire addresses copied from the makers' maps a second time, not from the templates.
ADDRESSES = {
    "eastron-sdm120": {
        "voltage_l1": 0, "current_l1": 6, "active_power": 12, "apparent_power": 18, "reactive_power": 24,
        "power_factor": 30, "frequency": 70, "energy_import": 72, "energy_export": 74,
        "reactive_energy_import": 76, "reactive_energy_export": 78, "energy_total": 342,
        "reactive_energy_total": 344,
    },
    "eastron-sdm630": {
        "voltage_l3": 4, "current_l3": 10, "active_power_l3": 16, "apparent_power_l3": 22,
        "reactive_power_l3": 28, "power_factor_l3": 34, "active_power": 52, "apparent_power": 56,
        "reactive_power": 60, "power_factor": 62, "frequency": 70, "energy_import": 72, "energy_export": 74,
        "energy_total": 342, "energy_import_l3": 350, "energy_export_l3": 356, "thd_voltage_l3": 238,
    },
    "carlo-gavazzi-em24": {
        "voltage_l3": 4, "voltage_l3_l1": 0x0A, "current_l3": 0x10, "active_power_l1": 0x12,
        "apparent_power_l1": 0x18, "reactive_power_l1": 0x1E, "active_power": 0x28, "apparent_power": 0x2A,
        "reactive_power": 0x2C, "power_factor": 0x35, "frequency": 0x37, "energy_import": 0x3E,
        "reactive_energy_import": 0x40, "energy_import_partial": 0x42, "energy_import_l1": 0x46,
        "energy_export": 0x5C,
    },
    "carlo-gavazzi-em340": {
        "voltage_l3": 4, "voltage_l3_l1": 0x0A, "current_l3": 0x10, "active_power_l1": 0x12,
        "apparent_power_l1": 0x18, "reactive_power_l1": 0x1E, "active_power": 0x28, "apparent_power": 0x2A,
        "reactive_power": 0x2C, "power_factor": 0x31, "frequency": 0x33, "energy_import": 0x34,
        "reactive_energy_import": 0x36, "energy_import_partial": 0x3C, "energy_import_l1": 0x40,
        "energy_export": 0x4E,
    },
    "janitza-umg96rm": {
        "voltage_l1": 19000, "voltage_l3_l1": 19010, "current_l1": 19012, "current_neutral": 19018,
        "active_power": 19026, "apparent_power": 19034, "reactive_power": 19042, "power_factor_l1": 19044,
        "frequency": 19050, "energy_total_l1": 19054, "energy_total": 19060, "energy_import_l1": 19062,
        "energy_import": 19068,
        "energy_export_l1": 19070, "energy_export": 19076,
    },
    "teltonika-rutos": {
        "uptime": 1, "signal_strength": 3, "temperature": 5, "hostname": 7, "operator": 23, "serial_number": 39,
        "lan_mac": 55, "router_name": 71, "active_sim_slot": 87, "network_registration": 103,
        "network_type": 119, "digital_input_1": 135, "digital_input_2": 137, "data_received_today": 185,
        "data_sent_today": 187, "data_received_this_week": 189, "data_sent_this_month": 195,
        "data_received_last_24h": 197, "wan_ipv4_1": 139, "wan_ipv4_4": 140, "analog_input": 141, "gps_latitude": 143,
        "gps_longitude": 145, "gps_fix_time": 147, "gps_date_time": 163, "gps_speed": 179, "gps_satellites": 181,
        "gps_accuracy": 183, "open_collector_output": 201, "relay_output": 202, "active_sim": 205,
        "data_received_last_week": 292, "data_sent_last_month": 298, "data_received_today_sim_2": 300,
        "data_sent_this_week_sim_2": 306, "data_received_last_24h_sim_2": 312, "data_sent_last_month_sim_2": 322,
        "digital_input_4_pin": 324, "pin_4_direction": 327, "modem": 328, "imsi": 348, "unix_time": 364,
        "local_time": 366, "utc_time": 378,
    },
    "eastron-sdm230": {
        "voltage_l1": 0, "current_l1": 6, "active_power": 12, "apparent_power": 18, "reactive_power": 24,
        "power_factor": 30, "phase_angle": 36, "frequency": 70, "energy_import": 72, "energy_export": 74,
        "reactive_energy_import": 76, "reactive_energy_export": 78, "energy_total": 342,
        "reactive_energy_total": 344,
    },
    "carlo-gavazzi-em24-e1": {
        "active_power_l3": 0x16, "active_power": 0x28, "power_factor": 0x31, "frequency": 0x33, "energy_import": 0x34,
        "energy_import_partial": 0x3C, "energy_import_l3": 0x44, "energy_export": 0x4E,
    },
    "schneider-iem3155": {
        "current_l1": 3000 - 1, "voltage_l1_l2": 3020 - 1, "voltage_l3": 3032 - 1, "active_power_l1": 3054 - 1,
        "active_power": 3060 - 1, "reactive_power": 3068 - 1, "apparent_power": 3076 - 1, "power_factor": 3084 - 1,
        "frequency": 3110 - 1, "energy_import": 3204 - 1, "energy_export": 3208 - 1, "energy_import_l1": 3518 - 1,
        "energy_import_l3": 3526 - 1, "energy_import_float32": 45100 - 1, "energy_export_float32": 45102 - 1,
    },
    "schneider-pm5xxx": {
        "current_l3": 3004 - 1, "active_power": 3060 - 1, "power_factor_four_quadrant": 3084 - 1,
        "energy_import": 3204 - 1, "energy_export": 3208 - 1, "energy_total": 3212 - 1,
    },
    "schneider-powertag": {
        "current_l2": 3002 - 1, "active_power": 3060 - 1, "frequency": 3110 - 1,
        "energy_total": 3204 - 1, "energy_import": 3208 - 1, "energy_export": 3212 - 1,
    },
    "abb-b23": {
        "energy_import": 0x5000, "energy_export": 0x5004, "energy_import_l2": 0x5464, "energy_export_l3": 0x5474,
        "voltage_l3": 0x5B04, "current_l3": 0x5B10, "active_power": 0x5B14, "active_power_l3": 0x5B1A,
        "frequency": 0x5B2C, "power_factor": 0x5B3A, "power_factor_l3": 0x5B3D, "firmware": 0x8908,
    },
    "abb-b24": {"energy_import": 0x5000, "active_power": 0x5B14, "frequency": 0x5B2C},
    "siemens-pac3200": {
        "voltage_l1": 1, "voltage_l3_l1": 11, "current_l3": 17, "apparent_power_l1": 19, "active_power_l3": 29,
        "reactive_power_l1": 31, "power_factor_l1": 37, "thd_voltage_l1": 43, "thd_current_l1": 49, "frequency": 55,
        "voltage_average": 57, "current_average": 61, "apparent_power": 63, "active_power": 65, "reactive_power": 67,
        "power_factor": 69, "energy_import_t1": 801, "energy_import_t2": 805, "energy_export_t1": 809,
        "energy_export_t2": 813, "reactive_energy_import_t1": 817, "reactive_energy_export_t2": 829,
        "apparent_energy_t1": 833, "apparent_energy_t2": 837,
    },
    "socomec-countis-e14": {
        "voltage_l1": 0xC558, "frequency": 0xC55E, "current_l1": 0xC560, "active_power": 0xC568,
        "power_factor": 0xC56E, "energy_import": 0xC702, "energy_export": 0xC708, "energy_import_partial": 0xC70C,
    },
    "socomec-countis-e23": {
        "voltage_l1_l2": 0xC552, "voltage_l3": 0xC55C, "current_neutral": 0xC566, "reactive_power": 0xC56A,
        "apparent_power": 0xC56C, "active_power_l3": 0xC574, "reactive_power_l3": 0xC57A, "energy_import": 0xC702,
    },
    "socomec-countis-e24": {"frequency": 0xC55E, "energy_import_whole_kwh": 0xC652, "energy_export_whole_kwh": 0xC658},
    "socomec-countis-e34": {"frequency": 0xC55E, "energy_import_partial_whole_kwh": 0xC65C, "energy_export": 0xC708},
    "sunspec-inverter": {
        "manufacturer": 2, "model_name": 18, "firmware": 42, "serial_number": 50, "current_total": 2, "current_l3": 5,
        "voltage_l1": 10, "voltage_l3": 12, "active_power_ac": 14, "frequency": 16, "power_factor": 22,
        "energy_export": 24, "current_dc": 27, "voltage_dc": 29, "power_dc": 31, "temperature": 33,
        "operating_state": 38,
    },
    "sunspec-inverter-float": {
        "current_total": 2, "current_l1": 4, "current_l3": 8, "voltage_l1": 16, "voltage_l3": 20,
        "active_power_ac": 22, "frequency": 24, "power_factor": 30, "energy_export": 32, "current_dc": 34,
        "voltage_dc": 36, "power_dc": 38, "temperature": 40, "operating_state": 48,
    },
    "sunspec-meter": {
        "current_total": 2, "current_l3": 5, "voltage_average": 7, "voltage_l1": 8, "voltage_l3": 10, "frequency": 16,
        "active_power": 18, "active_power_l3": 21, "power_factor": 33, "power_factor_l3": 36, "energy_export": 38,
        "energy_import": 46,
    },
    "sunspec-meter-float": {
        "current_total": 2, "current_l3": 8, "voltage_average": 10, "voltage_l3": 16, "frequency": 26,
        "active_power": 28, "active_power_l3": 34, "power_factor": 52, "energy_export": 60, "energy_import": 68,
    },
}  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_addresses_are_those_of_the_makers_map(key: str) -> None:
    points = points_of(key)

    assert {name: points[name].address for name in ADDRESSES[key]} == ADDRESSES[key]


# Point: table, type, word order, scale, scale register, SunSpec models.
FLOAT, SWAPPED = (DataType.FLOAT32, WordOrder.ABCD), (DataType.INT32, WordOrder.CDAB)
INT16, UINT16, ACC32 = (
    (DataType.INT16, WordOrder.AB),
    (DataType.UINT16, WordOrder.AB),
    (DataType.UINT32, WordOrder.ABCD),
)
INT64, UINT64 = (DataType.INT64, WordOrder.ABCDEFGH), (DataType.UINT64, WordOrder.ABCDEFGH)
INT32, FLOAT64 = (DataType.INT32, WordOrder.ABCD), (DataType.FLOAT64, WordOrder.ABCDEFGH)
INVERTERS, METERS = (101, 102, 103), (201, 202, 203, 204)
HOW = [
    ("eastron-sdm120", "active_power", (Table.INPUT, *FLOAT, 1, None, ())),
    ("eastron-sdm230", "energy_import", (Table.INPUT, *FLOAT, 1, None, ())),
    ("eastron-sdm630", "energy_import", (Table.INPUT, *FLOAT, 1, None, ())),
    ("carlo-gavazzi-em24", "voltage_l1", (Table.HOLDING, *SWAPPED, 0.1, None, ())),
    ("carlo-gavazzi-em24", "current_l1", (Table.HOLDING, *SWAPPED, 0.001, None, ())),
    ("carlo-gavazzi-em24", "power_factor", (Table.HOLDING, *INT16, 0.001, None, ())),
    ("carlo-gavazzi-em24-e1", "energy_import", (Table.HOLDING, *SWAPPED, 0.1, None, ())),
    ("carlo-gavazzi-em340", "frequency", (Table.HOLDING, *INT16, 0.1, None, ())),
    ("janitza-umg96rm", "active_power", (Table.HOLDING, *FLOAT, 1, None, ())),
    ("janitza-umg96rm", "energy_import", (Table.HOLDING, *FLOAT, 0.001, None, ())),
    ("schneider-iem3155", "active_power", (Table.HOLDING, *FLOAT, 1000, None, ())),
    ("schneider-iem3155", "energy_import", (Table.HOLDING, *INT64, 0.001, None, ())),
    ("schneider-pm5xxx", "reactive_power", (Table.HOLDING, *FLOAT, 1000, None, ())),
    ("schneider-powertag", "active_power", (Table.HOLDING, *FLOAT, 1, None, ())),
    ("schneider-powertag", "energy_import", (Table.HOLDING, *INT64, 0.001, None, ())),
    ("abb-b23", "energy_import", (Table.HOLDING, *UINT64, 0.01, None, ())),
    ("abb-b23", "active_power", (Table.HOLDING, *INT32, 0.01, None, ())),
    ("abb-b24", "voltage_l1", (Table.HOLDING, *ACC32, 0.1, None, ())),
    ("abb-b24", "frequency", (Table.HOLDING, *UINT16, 0.01, None, ())),
    ("siemens-pac3200", "active_power", (Table.HOLDING, *FLOAT, 1, None, ())),
    ("siemens-pac3200", "energy_import_t1", (Table.HOLDING, *FLOAT64, 0.001, None, ())),
    ("socomec-countis-e14", "frequency", (Table.HOLDING, *ACC32, 0.001, None, ())),
    ("socomec-countis-e23", "frequency", (Table.HOLDING, *ACC32, 0.001, None, ())),
    ("socomec-countis-e24", "frequency", (Table.HOLDING, *ACC32, 0.001, None, ())),
    ("socomec-countis-e34", "frequency", (Table.HOLDING, *ACC32, 0.01, None, ())),
    ("socomec-countis-e34", "active_power", (Table.HOLDING, *INT32, 10, None, ())),
    ("socomec-countis-e34", "energy_import", (Table.HOLDING, *ACC32, 0.01, None, ())),
    ("sunspec-inverter", "active_power_ac", (Table.HOLDING, *INT16, 1, 15, INVERTERS)),
    ("sunspec-inverter", "voltage_l1", (Table.HOLDING, *UINT16, 1, 13, INVERTERS)),
    ("sunspec-inverter", "energy_export", (Table.HOLDING, *ACC32, 0.001, 26, INVERTERS)),
    ("sunspec-inverter", "temperature", (Table.HOLDING, *INT16, 1, 37, INVERTERS)),
    ("sunspec-inverter-float", "active_power_ac", (Table.HOLDING, *FLOAT, 1, None, (111, 112, 113))),
    ("sunspec-meter", "active_power", (Table.HOLDING, *INT16, 1, 22, METERS)),
    ("sunspec-meter", "current_l1", (Table.HOLDING, *INT16, 1, 6, METERS)),
    ("sunspec-meter", "voltage_l1", (Table.HOLDING, *INT16, 1, 15, METERS)),
    ("sunspec-meter", "power_factor", (Table.HOLDING, *INT16, 0.01, 37, METERS)),
    ("sunspec-meter", "energy_import", (Table.HOLDING, *ACC32, 0.001, 54, METERS)),
    ("sunspec-meter-float", "energy_export", (Table.HOLDING, *FLOAT, 0.001, None, (211, 212, 213, 214))),
    ("teltonika-rutos", "uptime", (Table.HOLDING, *ACC32, 1, None, ())),
    ("teltonika-rutos", "temperature", (Table.HOLDING, *INT32, 0.1, None, ())),
]  # fmt: skip


@pytest.mark.parametrize(("key", "name", "how"), HOW, ids=[f"{row[0]}-{row[1]}" for row in HOW])
def test_a_value_is_written_as_in_the_makers_map(key: str, name: str, how: tuple[object, ...]) -> None:
    point = points_of(key)[name]

    assert (
        point.table, point.data_type, point.word_order, point.scale, point.scale_register, point.sunspec
    ) == how  # fmt: skip


LIMITS = {
    "carlo-gavazzi-em24": {"max_registers": 11, "read_alone": (0x0B,)},
    "carlo-gavazzi-em24-e1": {"max_registers": 50, "read_alone": (0x0B,)},
    "carlo-gavazzi-em340": {"max_registers": 50, "read_alone": (0x0B,)},
    "eastron-sdm120": {"max_registers": 60, "even_only": True, "min_gap_ms": 60},
    "eastron-sdm230": {"max_registers": 60, "even_only": True, "min_gap_ms": 60},
    "eastron-sdm630": {"max_registers": 60, "even_only": True, "min_gap_ms": 60},
    "sunspec-inverter": {"max_gap": 10},
    "sunspec-inverter-float": {"max_gap": 10},
    "sunspec-meter": {"max_gap": 10},
    "sunspec-meter-float": {"max_gap": 10},
    "teltonika-rutos": {"max_registers": 100},
}


@pytest.mark.parametrize("key", KEYS)
def test_limits_are_those_that_are_stated_and_no_others(key: str) -> None:
    assert template(key).limits.model_dump(exclude_defaults=True) == LIMITS.get(key, {})


NO_VALUE = [
    ("carlo-gavazzi-em24", "active_power", [0x1234, 0x7FFF]),
    ("carlo-gavazzi-em340", "energy_import", [0xFFFF, 0x7FFF]),
    ("carlo-gavazzi-em24-e1", "power_factor", [0x7FFF]),
    ("schneider-iem3155", "energy_import", [0x8000, 0, 0, 0]),
    ("schneider-pm5xxx", "active_power", [0xFFC0, 0]),
    ("schneider-powertag", "energy_export", [0x8000, 0, 0, 0]),
    ("abb-b23", "energy_import", [0xFFFF] * 4),
    ("abb-b23", "voltage_l1", [0xFFFF] * 2),
    ("abb-b24", "active_power", [0x7FFF, 0xFFFF]),
    ("abb-b24", "power_factor", [0x7FFF]),
    ("abb-b24", "frequency", [0xFFFF]),
    ("sunspec-inverter", "active_power_ac", [0x8000]),
    ("sunspec-inverter", "voltage_l1", [0xFFFF]),
    ("sunspec-inverter", "energy_export", [0, 0]),
    ("sunspec-inverter-float", "active_power_ac", [0x7FC0, 0]),
    ("sunspec-meter", "active_power", [0x8000]),
    ("sunspec-meter", "energy_import", [0, 0]),
]


@pytest.mark.parametrize(("key", "name", "words"), NO_VALUE, ids=[f"{row[0]}-{row[1]}" for row in NO_VALUE])
def test_what_the_device_writes_for_no_value_is_none(key: str, name: str, words: list[int]) -> None:
    assert decode(words, points_of(key)[name].encoding) is None


def test_a_counter_of_32_bits_starts_again_where_its_width_and_weight_say() -> None:
    found = {
        (key, point.key): point.modulus
        for key in KEYS
        for point in template(key).points
        if point.modulus is not None and not key.startswith(("teltonika", "socomec"))
    }
    countis = {point.key: point.modulus for point in template("socomec-countis-e24").points if point.modulus}
    router = {point.modulus for point in template("teltonika-rutos").points if point.key.startswith("data_")}

    assert found == {}
    assert countis["energy_import"] == pytest.approx(2**32 * 0.01)
    assert countis["energy_import_whole_kwh"] == 2**32
    assert router == {2**32, None}


@pytest.mark.parametrize("key", KEYS)
def test_only_a_32_bit_whole_number_without_a_pattern_for_overflow_has_a_modulus(key: str) -> None:
    for point in template(key).points:
        if point.modulus is not None:
            assert point.kind is Kind.COUNTER
            assert point.data_type is DataType.UINT32 and not point.not_available
            assert point.modulus == pytest.approx(2**32 * point.scale)


def test_the_ethernet_em24_has_the_map_of_the_em340_and_not_that_of_its_serial_sister() -> None:
    assert template("carlo-gavazzi-em24-e1").points == template("carlo-gavazzi-em340").points
    assert points_of("carlo-gavazzi-em24")["energy_import"].address == 0x3E


def test_the_two_abb_meters_share_one_map() -> None:
    assert template("abb-b23").points == template("abb-b24").points


def test_the_energies_of_three_schneider_families_are_not_mixed_up() -> None:
    at_3204 = {
        key: next(point.key for point in template(key).points if point.address == 3204 - 1)
        for key in ("schneider-iem3155", "schneider-pm5xxx", "schneider-powertag")
    }

    assert at_3204 == {
        "schneider-iem3155": "energy_import",
        "schneider-pm5xxx": "energy_import",
        "schneider-powertag": "energy_total",
    }


@pytest.mark.parametrize(
    "key", [key for key in KEYS if any(point.key == "energy_import_partial" for point in template(key).points)]
)
def test_a_resettable_counter_is_never_taken_for_the_import(key: str) -> None:
    partial = points_of(key)["energy_import_partial"]

    assert partial.quantity is None
    assert partial.kind is Kind.COUNTER
    assert "resettable" in partial.label
    assert partial.address != points_of(key)["energy_import"].address
