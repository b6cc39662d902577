"""The layers: who may import whom."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = {
    "settings": set(),
    "models": {"settings", "models"},
    "realtime": {"settings", "realtime"},
    "poller": {"settings", "models", "realtime", "poller"},
    "dashboard": {"settings", "models", "realtime", "dashboard"},
    "commands": {"settings", "models", "realtime", "poller", "commands"},
}
OURS = {*ALLOWED, "app"}
FOREIGN = {
    "realtime": {"sqlalchemy", "pymodbus", "dash", "apscheduler", "pandas"},
    "models": {"pymodbus", "dash", "flask", "apscheduler"},
    "poller": {"dash", "flask"},
    "dashboard": {"pymodbus", "apscheduler"},
}


def modules(package: str) -> list[Path]:
    folder = ROOT / package
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [ROOT / f"{package}.py"]


def imports(path: Path) -> Iterator[str]:
    """The dotted names that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


@pytest.mark.parametrize("package", ALLOWED)
def test_a_layer_imports_only_the_layers_below_it(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(package)
        for name in imports(path)
        if name.split(".")[0] in OURS - ALLOWED[package]
    ]
    assert wrong == []


@pytest.mark.parametrize("package", FOREIGN)
def test_a_layer_knows_nothing_of_the_others_tools(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(package)
        for name in imports(path)
        if name.split(".")[0] in FOREIGN[package]
    ]
    assert wrong == []


def test_the_poller_takes_only_events_and_the_broker_from_realtime() -> None:
    taken = {name for path in modules("poller") for name in imports(path) if name.startswith("realtime")}
    assert taken <= {"realtime.events", "realtime.broker"}


def test_pymodbus_is_known_to_the_files_of_the_link_only() -> None:
    importing = {path.name for path in modules("poller") for name in imports(path) if name.startswith("pymodbus")}
    assert importing <= {"framing.py", "line.py", "modbus.py", "modbus_request.py"}


def test_the_poller_loads_nothing_large_that_it_does_not_need() -> None:
    large = ("pandas", "alembic", "dash", "flask", "plotly")
    code = f"import sys, poller.__main__; print([name for name in {large} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for package in OURS
        for path in modules(package)
        if path.stat().st_size and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []
