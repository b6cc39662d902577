"""What people write on the command line: gateways, units, addresses."""

import pytest

from poller.question import BadQuestion, Target, address, target, timeout_s, unit_id, unit_ids


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("10.0.0.7", "10.0.0.7", 502),
        ("10.0.0.7:1502", "10.0.0.7", 1502),
        ("router.example", "router.example", 502),
        ("[::1]:503", "::1", 503),
        ("[fd00::7]", "fd00::7", 502),
        ("::1", "::1", 502),
        ("fe80::1%eth0", "fe80::1%eth0", 502),
    ],
)
def test_a_gateway_is_a_host_with_or_without_a_port(text: str, host: str, port: int) -> None:
    assert target(text) == Target(host, port)


@pytest.mark.parametrize(
    "text",
    ["", ":502", "10.0.0.7:", "10.0.0.7:0", "10.0.0.7:65536", "10.0.0.7:x", "http://10.0.0.7", "[::1", "[x]:1", "a b"],
)
def test_what_is_no_gateway_is_refused(text: str) -> None:
    with pytest.raises(BadQuestion):
        target(text)


def test_a_target_is_written_so_that_it_can_be_read_again() -> None:
    for text in ("10.0.0.7:502", "[::1]:503"):
        assert str(target(text)) == text


@pytest.mark.parametrize(
    ("text", "ids"),
    [("1-4", [1, 2, 3, 4]), ("1,2,5-7", [1, 2, 5, 6, 7]), ("9, 3-5,4,0", [9, 3, 4, 5, 0]), ("247", [247])],
)
def test_units_are_asked_in_the_order_given_each_once(text: str, ids: list[int]) -> None:
    assert unit_ids(text) == ids


@pytest.mark.parametrize("text", ["", "x", "1-", "-3", "5-2", "1-256", "1,,2", "1-2-3", "999"])
def test_what_is_no_list_of_units_is_refused(text: str) -> None:
    with pytest.raises(BadQuestion, match="--units"):
        unit_ids(text)


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("3060", 3060), ("0x0BF4", 3060), ("0XFFFF", 65535)])
def test_addresses_are_decimal_or_hexadecimal(text: str, number: int) -> None:
    assert address(text) == number


@pytest.mark.parametrize("text", ["", "-1", "65536", "0x10000", "0x", "12a", "1.5", "1_000", " 7"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(BadQuestion, match="--address"):
        address(text)


@pytest.mark.parametrize("number", [-1, 256])
def test_a_unit_id_has_its_range(number: int) -> None:
    with pytest.raises(BadQuestion, match="--unit"):
        unit_id(number)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 121.0, float("nan"), float("inf")])
def test_a_time_out_has_its_range(seconds: float) -> None:
    with pytest.raises(BadQuestion, match="--timeout"):
        timeout_s(seconds)
