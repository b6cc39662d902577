"""What went over one gateway's link, and what came of it."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class LinkCounters:
    """Totals since the connection object was made; bytes are of Modbus TCP frames, without TCP and IP.

    Every request ends in exactly one of replies (exceptions included), late and lost, unless it was abandoned.
    """

    connects: int = 0
    requests: int = 0
    replies: int = 0
    late: int = 0  # the reply came, after its time-out
    lost: int = 0  # no reply came, or none that can be trusted
    exceptions: Counter[int] = field(default_factory=Counter)  # by exception code
    bytes_sent: int = 0
    bytes_received: int = 0
