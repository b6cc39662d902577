"""Servers that we did not write, each in a process of its own, serving the same image."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.interoperability.image import Image, make_image

SERVERS = Path(__file__).with_name("servers")
COMMANDS = {
    "libmodbus": [sys.executable, str(SERVERS / "libmodbus_server.py")],
    "pymodbus": [sys.executable, str(SERVERS / "pymodbus_server.py")],
    "modbus-serial": ["node", str(SERVERS / "modbus_serial_server.js")],
}
MISSING = "{} did not start; `make test` installs what it needs"

StartServer = Callable[[str], int]


@pytest.fixture(scope="session")
def image() -> Image:
    return make_image()


@pytest.fixture(scope="module")
def start_server(image: Image) -> Iterator[StartServer]:
    """Starts a server by its name and gives its port; one that does not start is a failure, never a skip."""
    running: list[subprocess.Popen[str]] = []

    def start(name: str) -> int:
        process = subprocess.Popen(COMMANDS[name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(image.contents) + "\n")
        process.stdin.flush()
        port = process.stdout.readline()
        assert port, MISSING.format(name)
        return int(port)

    yield start
    for process in running:
        _end(process)


def _end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate(timeout=10)
