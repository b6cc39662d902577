"""A server made of Debian's libmodbus, in a process of its own.

Standard input: one line of JSON, the contents of each table from address 0 on. Standard output: one line, the port.
"""

import ctypes
import json
import socket
import sys

BACKLOG = 4
LONGEST_REQUEST_BYTES = 260
COUNTS = "bits input_bits input_registers registers"


class Mapping(ctypes.Structure):
    """modbus_mapping_t of modbus.h, version 3.1."""

    _fields_ = (
        *((f"{what}_{name}", ctypes.c_int) for name in COUNTS.split() for what in ("nb", "start")),
        ("coil", ctypes.POINTER(ctypes.c_uint8)),
        ("discrete", ctypes.POINTER(ctypes.c_uint8)),
        ("input", ctypes.POINTER(ctypes.c_uint16)),
        ("holding", ctypes.POINTER(ctypes.c_uint16)),
    )


def library() -> ctypes.CDLL:
    """libmodbus with the types of what we call."""
    modbus = ctypes.CDLL("libmodbus.so.5", use_errno=True)
    modbus.modbus_new_tcp.restype = ctypes.c_void_p
    modbus.modbus_mapping_new.restype = ctypes.POINTER(Mapping)
    return modbus


def mapping_of(modbus: ctypes.CDLL, contents: dict[str, list[int]]) -> "ctypes._Pointer[Mapping]":
    """The library's memory, filled."""
    sizes = (len(contents[name]) for name in ("coil", "discrete", "holding", "input"))
    mapping: ctypes._Pointer[Mapping] = modbus.modbus_mapping_new(*sizes)
    for name, values in contents.items():
        cells = getattr(mapping.contents, name)
        for address, value in enumerate(values):
            cells[address] = value
    return mapping


def main() -> None:
    modbus = library()
    mapping = mapping_of(modbus, json.loads(sys.stdin.readline()))
    context = ctypes.c_void_p(modbus.modbus_new_tcp(b"127.0.0.1", 0))
    listening = ctypes.c_int(modbus.modbus_tcp_listen(context, BACKLOG))
    with socket.socket(fileno=listening.value) as bound:
        sys.stdout.write(f"{bound.getsockname()[1]}\n")
        sys.stdout.flush()
        bound.detach()
    request = (ctypes.c_uint8 * LONGEST_REQUEST_BYTES)()
    while modbus.modbus_tcp_accept(context, ctypes.byref(listening)) >= 0:
        while (length := modbus.modbus_receive(context, request)) >= 0:
            modbus.modbus_reply(context, request, length, mapping)
        modbus.modbus_close(context)


if __name__ == "__main__":
    main()
