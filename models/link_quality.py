"""How the links have been: polls due and done, replies late and lost, bytes used, by gateway."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models.database import to_ms
from models.gateways import Outcome
from models.polls import PollRow


@dataclass(frozen=True, slots=True)
class LinkQuality:
    """Counts of one gateway in a span of time.

    done: polls that asked something; missed: due, but the program or the machine did not come to it;
    held: due, but not asked because the gateway was down; late and lost: replies after their time-out, and none at all.
    """

    done: int = 0
    failed: int = 0
    partial: int = 0
    missed: int = 0
    held: int = 0
    requests: int = 0
    late: int = 0
    lost: int = 0
    bytes: int = 0

    @property
    def expected(self) -> int:
        return self.done + self.missed + self.held

    def words(self) -> str:
        """Such as "expected 720, done 718 (2 missed) · 3 late, 1 lost of 5,744 requests"."""
        gone = ", ".join(
            f"{number} {what}" for number, what in ((self.missed, "missed"), (self.held, "held back")) if number
        )
        why = f" ({gone})" if gone else ""
        return (
            f"expected {self.expected:,}, done {self.done:,}{why}"
            f" · {self.late:,} late, {self.lost:,} lost of {self.requests:,} requests"
        )


def link_quality(session: Session, start_at: datetime, end_at: datetime) -> dict[int, LinkQuality]:
    """By gateway, of the polls that began in start_at <= t < end_at; a gateway without any is not among them."""
    counts = (PollRow.missed_count, PollRow.held_count, PollRow.request_count, PollRow.late_count, PollRow.lost_count)
    statement = (
        select(
            PollRow.gateway_id,
            func.count(),
            func.count().filter(PollRow.outcome == Outcome.FAILED.value),
            func.count().filter(PollRow.outcome == Outcome.PARTIAL.value),
            *(func.sum(count) for count in counts),
            func.sum(PollRow.byte_count),
        )
        .where(PollRow.started_at_ms >= to_ms(start_at), PollRow.started_at_ms < to_ms(end_at))
        .group_by(PollRow.gateway_id)
    )
    return {gateway_id: LinkQuality(*(int(one) for one in sums)) for gateway_id, *sums in session.execute(statement)}
