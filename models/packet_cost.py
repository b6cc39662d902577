"""What packets weigh on a mobile link, and how the amounts are put into words."""

from dataclasses import dataclass
from datetime import timedelta

MEGABYTE = 1_000_000
MONTH_S = 30.44 * 86_400
# The request, its reply, and one bare acknowledgement. Two Linux ends were seen to use 2 to 4: a reply within 40 ms
# carries the acknowledgement of its request, and a request that follows at once carries that of the reply before.
PACKETS_PER_REQUEST = 3
SYN_BYTES = 60  # IP 20, TCP 20, options 20


@dataclass(frozen=True, slots=True)
class PacketCost:
    """What every packet weighs beside its content.

    header_bytes: IPv4 20 and TCP 20; 12 more when both ends agree on TCP's timestamps, as two Linux ends do.
    tunnel_bytes: about 60 through a VPN.
    """

    header_bytes: int = 40
    tunnel_bytes: int = 0

    @property
    def packet_bytes(self) -> int:
        return self.header_bytes + self.tunnel_bytes

    @property
    def reconnect_bytes(self) -> int:
        """SYN, SYN, ACK to connect; FIN, FIN, ACK to close."""
        return 2 * (SYN_BYTES + self.tunnel_bytes) + 4 * self.packet_bytes

    def on_the_wire(self, frame_bytes: float, requests: float) -> float:
        """Bytes that go over the link for these frames, both ways."""
        return frame_bytes + requests * PACKETS_PER_REQUEST * self.packet_bytes


PLAIN = PacketCost()
WITH_TIMESTAMPS = PacketCost(header_bytes=52)
THROUGH_VPN = PacketCost(tunnel_bytes=60)


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes over the link within a span of time."""

    link_bytes: float
    span: timedelta

    @property
    def bytes_per_month(self) -> float:
        return self.link_bytes / self.span.total_seconds() * MONTH_S

    @property
    def words(self) -> str:
        per_month = megabytes(self.bytes_per_month)
        return f"{megabytes(self.link_bytes)} in {span_words(self.span)}, which makes {per_month} a month"


def over_budget(bytes_per_month: float | None, budget_mb: float | None) -> str | None:
    """The warning that a month costs more than is allowed; None when it does not, or when either is not known."""
    if bytes_per_month is None or budget_mb is None or bytes_per_month <= budget_mb * MEGABYTE:
        return None
    return (
        f"{megabytes(bytes_per_month)} a month is above the budget of {budget_mb:g} MB; poll less often or fewer points"
    )


def span_words(span: timedelta) -> str:
    """A span as people say it: 20 s, 12 min, 5.6 h, 3.1 days."""
    seconds = span.total_seconds()
    for unit, size_s in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size_s:
            amount = seconds / size_s
            return f"{amount:.0f} {unit}" if amount >= 10 else f"{amount:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:.0f} s"


def megabytes(count: float) -> str:
    """Bytes in the words of a bill: 1 MB is a million, 1 kB a thousand."""
    amount = count / MEGABYTE
    if amount < 0.1:
        return f"{count / 1000:.1f} kB"
    return f"{amount:,.1f} MB" if amount >= 10 else f"{amount:.2f} MB"
