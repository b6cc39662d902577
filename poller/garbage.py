"""Python's garbage collector, kept from stopping a thousand polls: a full collection takes a fifth of a second."""

import gc

THRESHOLDS = (20_000, 20, 100)  # polls make no cycles; what the database and the scheduler make of them is little


def collect_rarely() -> None:
    """For the whole process, once."""
    gc.set_threshold(*THRESHOLDS)


def set_apart() -> None:
    """Never look again at what is there now; for when plans have been taken over, which stay."""
    gc.collect()
    gc.freeze()
