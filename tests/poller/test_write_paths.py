"""No value reaches a device but by the one path that asks for permission, proves the value and logs it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
NOT_THE_PROGRAM = ("tests", "benchmarks")
WRITE_MODULE = "poller/write_value.py"
PENDING_MODULE = "poller/write.py"

# Who may name what; a link of the chain from the person to the wire each.
NAMED_BY = {
    "write_request": {"poller/modbus_request.py", "poller/modbus.py"},  # the frames of functions 5, 6, 15 and 16
    "WriteSingleCoilRequest": {"poller/modbus_request.py"},
    "WriteSingleRegisterRequest": {"poller/modbus_request.py"},
    "WriteMultipleCoilsRequest": {"poller/modbus_request.py"},
    "WriteMultipleRegistersRequest": {"poller/modbus_request.py"},
    "write_value": {WRITE_MODULE, PENDING_MODULE},
    "take_write": {"models/approved_writes.py", PENDING_MODULE},
    "PendingWrites": {PENDING_MODULE, "poller/scheduler.py"},
    "_SEAL": {"models/approved_writes.py"},
    "_Seal": {"models/approved_writes.py"},
}
FORBIDDEN = (
    "write_coil", "write_coils", "write_register", "write_registers", "mask_write_register", "readwrite_registers",
    "MaskWriteRegisterRequest", "ReadWriteMultipleRegistersRequest", "WriteFileRecordRequest",
)  # fmt: skip


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Every module of the program by its path."""
    packages = [init.parent for init in ROOT.glob("*/__init__.py") if init.parent.name not in NOT_THE_PROGRAM]
    for path in sorted([*ROOT.glob("*.py"), *(path for package in packages for path in package.rglob("*.py"))]):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def names(tree: ast.AST) -> Iterator[str]:
    """Every name that a module reads, binds, imports, or spells out as a string (getattr)."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Constant(value=str(name)):
                yield name
            case ast.alias(name=name, asname=other):
                yield name.split(".")[-1]
                yield other or name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name


def connection_writes(tree: ast.AST) -> Iterator[str]:
    """Where `write` is taken from a connection: by the name of what it is taken from, or by the arguments given."""
    for node in ast.walk(tree):
        if _is_taken(node) or _is_called(node) or _is_fetched(node):
            yield ast.unparse(node)


def _is_taken(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "write" and _is_connection(node.value)


def _is_called(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _is_write(node.func) and _has_modbus_arguments(node)


def _is_fetched(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr" and "'write'" in ast.unparse(node)


def _is_connection(value: ast.expr) -> bool:
    name = ast.unparse(value).split(".")[-1].lower()
    return "connection" in name or name in ("link", "client", "modbus")


def _is_write(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and function.attr == "write"


def _has_modbus_arguments(call: ast.Call) -> bool:
    """Files, sockets and databases are given one argument at most; a unit, a table, an address and values are four."""
    given = {keyword.arg for keyword in call.keywords}
    starred = any(isinstance(argument, ast.Starred) for argument in call.args) or None in given
    return starred or len(call.args) + len(given) >= 3 or bool(given & {"unit_id", "table", "values", "many"})


@pytest.fixture(scope="module")
def modules() -> dict[str, ast.Module]:
    return dict(sources())


def test_one_module_writes_to_a_device(modules: dict[str, ast.Module]) -> None:
    writing = {path: found for path, tree in modules.items() if (found := list(connection_writes(tree)))}
    assert writing.keys() == {WRITE_MODULE}
    assert len(writing[WRITE_MODULE]) == 2  # one call, found by its name and by its arguments


@pytest.mark.parametrize("name", NAMED_BY)
def test_the_links_of_the_chain_are_known_to_their_neighbours_alone(modules: dict[str, ast.Module], name: str) -> None:
    knowing = {path for path, tree in modules.items() if name in names(tree) and not _is_table(path, name)}
    assert knowing == NAMED_BY[name]


def _is_table(path: str, name: str) -> bool:
    """`write_request` is the name of a table too."""
    return name == "write_request" and path.startswith("models/")


def test_no_other_way_of_writing_is_named(modules: dict[str, ast.Module]) -> None:
    naming = {path: found for path, tree in modules.items() if (found := set(names(tree)) & set(FORBIDDEN))}
    assert naming == {}


@pytest.mark.parametrize(
    ("made", "module"), [("WriteRequest", "models/writes.py"), ("ApprovedWrite", "models/approved_writes.py")]
)
def test_a_write_is_asked_for_and_allowed_in_one_place_each(
    modules: dict[str, ast.Module], made: str, module: str
) -> None:
    calls = {path: len(list(calls_of(tree, made))) for path, tree in modules.items()}
    assert {path: number for path, number in calls.items() if number} == {module: 1}


def calls_of(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == name:
            yield node


def test_what_carries_out_a_write_takes_leave_to_write_and_nothing_less(modules: dict[str, ast.Module]) -> None:
    (function,) = (
        node
        for node in ast.walk(modules[WRITE_MODULE])
        if isinstance(node, ast.AsyncFunctionDef) and node.name == "write_value"
    )
    annotations = [ast.unparse(argument.annotation) for argument in function.args.args if argument.annotation]
    assert annotations[:2] == ["Connection", "ApprovedWrite"]


@pytest.mark.parametrize(
    "source",
    [
        "await connection.write(1, table, 10, [1])",
        "await link.connection.write(1, table, 10, [1])",
        "await self._connection.write(unit, *rest)",
        "send = polled.link.connection.write",
        "await it.write(1, table, 10, [1])",
        "await it.write(1, 2, address=10, values=[1])",
        "await it.write(unit_id=1, **rest)",
        "await it.write(*arguments)",
        "getattr(it, 'write')(1, table, 10, [1])",
    ],
)
def test_the_watchman_sees_a_write_however_it_is_spelt(source: str) -> None:
    assert list(connection_writes(ast.parse(f"async def f():\n    {source}")))


@pytest.mark.parametrize(
    "source", ["with database.write() as session: pass", "file.write(text)", "self.transport.write(frame)"]
)
def test_the_watchman_lets_files_sockets_and_databases_pass(source: str) -> None:
    assert not list(connection_writes(ast.parse(source)))
