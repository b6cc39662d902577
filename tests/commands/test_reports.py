"""`report`: a month's energy report as files."""

from pathlib import Path

import pytest

from tests.commands.conftest import Command


def test_a_report_is_written_as_three_files_and_twice_the_same(north: Command, tmp_path: Path) -> None:
    first = north("report", "--month", "2026-10", "--out", "one")
    second = north("report", "--month", "2026-10", "--out", "two")
    assert (first.exit_code, second.exit_code) == (0, 0), first.output
    names = [f"energy-report-2026-10.{form}" for form in ("csv", "html", "pdf")]
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == names
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert "nothing is known" in (tmp_path / "one" / names[1]).read_text(encoding="utf-8")


@pytest.mark.parametrize(("month", "words"), [("October", "write it like 2026-10"), ("2099-01", "has not begun yet")])
def test_what_is_no_month_is_refused_in_one_line(north: Command, month: str, words: str) -> None:
    result = north("report", "--month", month)
    assert result.exit_code == 2
    assert words in result.output and "Traceback" not in result.output


def test_without_a_site_there_is_nothing_to_report_on(command: Command) -> None:
    result = command("report", "--month", "2026-10")
    assert result.exit_code == 2
    assert "gateway add" in result.output
