"""How long the simulated links of the polling benchmark take: always the same, or like a mobile link."""

import random
from collections.abc import Callable

LTE_MEDIAN_S, LTE_SIGMA = 0.070, 0.45  # half of the replies within 52..95 ms, 99 % under 200 ms
LTE_IDLE_S = 5.0  # after so long without traffic the radio sleeps
LTE_HICCUP = 1 / 500  # handovers and retransmissions come at any time
LTE_WAKING_S = (0.3, 2.9)
LTE_LONGEST_S = 3.0

Delay = Callable[[float], float]  # seconds since the connection's last request -> seconds until its reply


def lte(seed: int) -> Delay:
    """Delays like those of a mobile link: log-normal, and up to 3 s for the first reply after a rest."""
    dice = random.Random(seed)

    def delay(idle_s: float) -> float:
        usual_s = LTE_MEDIAN_S * dice.lognormvariate(0, LTE_SIGMA)
        if idle_s > LTE_IDLE_S or dice.random() < LTE_HICCUP:
            usual_s += dice.uniform(*LTE_WAKING_S)
        return min(usual_s, LTE_LONGEST_S)

    return delay


def delay_of(name: str, seed: int) -> Delay:
    """`lte`, or milliseconds that are always the same."""
    if name == "lte":
        return lte(seed)
    fixed_s = float(name) / 1000
    return lambda idle_s: fixed_s
