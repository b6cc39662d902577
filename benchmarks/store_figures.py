"""How figures are summed up and shown."""

from collections.abc import Mapping, Sequence

import numpy as np


def percentiles(name: str, took_ms: Sequence[float]) -> dict[str, float]:
    """The median, the 95th and 99th percentile and the worst; nothing of nothing."""
    if not took_ms:
        return {}
    p50, p95, p99 = (float(value) for value in np.percentile(took_ms, (50, 95, 99)))
    worst = max(took_ms)
    return {f"{name}_p50_ms": p50, f"{name}_p95_ms": p95, f"{name}_p99_ms": p99, f"{name}_worst_ms": worst}


def show(title: str, figures: Mapping[str, float]) -> None:
    """A heading and a line for each figure."""
    print(title, flush=True)
    for name, value in figures.items():
        print(f"  {name:36} {value:>14,.0f}" if abs(value) >= 1000 else f"  {name:36} {value:>14,.2f}", flush=True)
