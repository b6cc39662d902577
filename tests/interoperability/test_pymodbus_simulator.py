"""Polling and writing to pymodbus' simulator."""

import pytest

from models.gateways import Table
from tests.interoperability import asking
from tests.interoperability.conftest import StartServer
from tests.interoperability.image import Image

NAME = "pymodbus"


@pytest.fixture(scope="module")
def port(start_server: StartServer) -> int:
    return start_server(NAME)


def test_every_table_type_and_order_is_read(port: int, image: Image) -> None:
    asking.expect_all_values(port, image)


def test_the_largest_reads_are_answered(port: int, image: Image) -> None:
    asking.expect_largest_reads(port, image)


def test_an_address_that_is_not_there_is_refused_and_the_connection_kept(port: int) -> None:
    asking.expect_refusal(port)


@pytest.mark.parametrize(("table", "values", "many"), asking.WRITES, ids=asking.WRITE_IDS)
def test_what_is_written_is_read_back(port: int, table: Table, values: list[int], many: bool) -> None:
    asking.expect_read_back(port, table, values, many)


def test_it_identifies_itself(port: int) -> None:
    assert asking.identity(port)[0] == NAME
