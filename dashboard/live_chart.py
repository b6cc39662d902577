"""The look of the page "Live"'s chart in both themes; the page's script draws it from the readings it has."""

from typing import Any

from dashboard.figures import PALETTES, Theme, template
from dashboard.history_figure import HUES, SECOND_DASH

MOST_PICKED = 8


def looks() -> dict[Theme, dict[str, Any]]:
    """For each theme the template, and the colour and dash of each line by its slot: those of the page History."""
    return {
        theme: {"template": template(theme), "lines": [_line(theme, slot) for slot in range(MOST_PICKED)]}
        for theme in PALETTES
    }


def _line(theme: Theme, slot: int) -> dict[str, str]:
    hues = HUES[theme]
    return {"color": hues[slot % len(hues)], "dash": "solid" if slot < len(hues) else SECOND_DASH}
