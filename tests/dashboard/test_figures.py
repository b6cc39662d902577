"""The look of charts, in both themes, and that the style sheet has the same colours."""

import re
from pathlib import Path

import pytest

from dashboard.figures import PALETTES, Theme, live_power, looks, template

STYLES = Path(__file__).parents[2] / "assets" / "2-app" / "1-theme.css"
LINES = ["Total", "Body shop", "Presses", "Utilities"]


def test_each_line_has_a_whole_and_a_partial_trace() -> None:
    figure = live_power(LINES, 480_000)
    assert [trace["name"] for trace in figure["data"][:4]] == [
        "Total",
        "Total, meters missing",
        "Body shop",
        "Body shop, meters missing",
    ]
    assert [trace["line"].get("dash") for trace in figure["data"][:2]] == [None, "dot"]


def test_live_traces_start_from_plain_lists() -> None:
    """Plotly's extendTraces throws on the typed arrays that numpy would become."""
    for trace in live_power(LINES, None)["data"]:
        assert (trace["x"], trace["y"], trace["connectgaps"]) == ([], [], False)


def test_the_limit_is_a_dashed_line_with_words_and_absent_without_a_contract() -> None:
    limited, free = live_power(LINES, 480_000)["layout"], live_power(LINES, None)["layout"]
    assert limited["shapes"][0]["y0"] == 480.0 and "px" in limited["shapes"][0]["line"]["dash"]
    assert limited["annotations"][0]["text"] == "contract limit"
    assert "shapes" not in free and "annotations" not in free


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_look_has_a_colour_for_every_trace(theme: Theme) -> None:
    look = looks(LINES)[theme]
    assert len(look["lines"]) == 2 * len(LINES) == len(live_power(LINES, None)["data"])
    assert look["lines"][0] == PALETTES[theme].total
    assert len(set(look["lines"][0::2])) >= 3


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_charts_are_quiet(theme: Theme) -> None:
    layout = template(theme)["layout"]
    assert layout["paper_bgcolor"] == layout["plot_bgcolor"] == "rgba(0,0,0,0)"
    assert layout["xaxis"]["showgrid"] is layout["showlegend"] is layout["yaxis"]["zeroline"] is False


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_style_sheet_has_the_same_colours(theme: Theme) -> None:
    block = re.search(rf'data-bs-theme="{theme}"\]\s*{{(.*?)}}', STYLES.read_text(), re.S)
    assert block is not None
    colours = dict(re.findall(r"--m-([a-z0-9-]+): (#[0-9a-f]{6})", block[1]))
    palette = PALETTES[theme]
    assert (colours["ink"], colours["ink-2"], colours["panel"]) == (palette.ink, palette.muted, palette.panel)
    assert (colours["line-1"], colours["line-2"], colours["line-3"]) == (palette.total, *palette.areas)
