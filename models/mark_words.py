"""The words for how an amount of energy is known, the same on every page, in every report and in CSV."""

from models.energy_periods import Energy
from models.rollup_tables import Mark

NOT_KNOWN = "not known"
MARK_WORDS = {
    Mark.MEASURED: "measured",
    Mark.INTERPOLATED: "interpolated",
    Mark.ESTIMATED: "estimated",
    Mark.MISSING: "part not known",
}


def mark_words(energy: Energy) -> str:
    """How an amount is known, by the worst of its parts."""
    return NOT_KNOWN if energy.energy_kwh is None else MARK_WORDS[energy.mark]
