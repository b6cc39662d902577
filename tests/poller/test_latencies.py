"""The 95th percentile of the newest latencies, beside that of all that were measured."""

from random import Random

import numpy as np
import pytest

from poller.latencies import LATENCIES_KEPT, Latencies


def test_without_a_latency_there_is_no_percentile() -> None:
    assert Latencies().percentile_95_ms() is None


def test_the_percentile_is_that_of_the_newest() -> None:
    random, latencies = Random(7), Latencies()
    measured = [float(random.choice([20, 20, 35.5, random.uniform(10, 900)])) for _ in range(3 * LATENCIES_KEPT)]
    for count, latency_ms in enumerate(measured, start=1):
        latencies.add(latency_ms)
        newest = measured[max(count - LATENCIES_KEPT, 0) : count]
        assert latencies.percentile_95_ms() == pytest.approx(np.percentile(newest, 95))
