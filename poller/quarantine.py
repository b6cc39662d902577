"""What is left alone for a while: a gateway that is down, a unit that is silent, a point that is refused. No I/O."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from models.polls import Refusal, UnitSilence

FAILURES_BEFORE_BACKOFF = 3
FAILURES_BEFORE_TOLD = 2
JITTER = 0.2
MOST_DOUBLINGS = 20
RETRY_AFTER = timedelta(hours=24)
RETRY_SPREAD_MINUTES = 120  # so that the points of a plant are not all retried at the same moment
MINUTES_APART = 7
NO_ANSWER = 0  # stands for the exception code of a point that is asked in vain while its unit answers for others


@dataclass(frozen=True, slots=True)
class Pace:
    """How pauses grow: the interval, doubled each time, up to a cap, with jitter below it."""

    interval_s: float
    cap_s: float
    random: Random

    def pause(self, doublings: int) -> timedelta:
        """interval * 2 ** doublings, 20 % more or less; at most the cap, or the interval if that is longer."""
        longest_s = max(self.cap_s, self.interval_s) / (1 + JITTER)
        pause_s = min(self.interval_s * 2 ** min(doublings, MOST_DOUBLINGS), longest_s)
        return timedelta(seconds=pause_s * self.random.uniform(1 - JITTER, 1 + JITTER))

    def is_due(self, resume_at: datetime | None, now: datetime) -> bool:
        """Whether the poll at `now` is the one nearest to `resume_at`, or the clock has gone back since it was set."""
        if resume_at is None:
            return True
        longest_s = max(self.cap_s, self.interval_s)
        return not self.interval_s / 2 < (resume_at - now).total_seconds() <= longest_s


@dataclass(slots=True)
class Outage:
    """A gateway from which nothing comes: after three failed polls it is asked ever less often, by one probe."""

    failures: int = 0  # polls in a row without any answer
    resume_at: datetime | None = None

    @property
    def is_lasting(self) -> bool:
        return self.failures >= FAILURES_BEFORE_BACKOFF

    def failed(self, now: datetime, pace: Pace) -> None:
        self.failures += 1
        if self.is_lasting:
            self.resume_at = now + pace.pause(self.failures - FAILURES_BEFORE_BACKOFF + 1)

    def answered(self) -> None:
        self.failures, self.resume_at = 0, None


@dataclass(slots=True)
class Silence:
    """A unit that does not answer, or answers nothing but exceptions, while its gateway lives.

    After the first failure it is asked last and by a single probe; after the second it is told of.
    """

    failures: int = 0  # asks in a row
    since_at: datetime | None = None
    resume_at: datetime | None = None
    reason: str = ""
    is_told: bool = False

    @classmethod
    def known(cls, silence: UnitSilence) -> "Silence":
        """One that was told of before the program started; asked again soon."""
        return cls(FAILURES_BEFORE_TOLD, silence.since_at, None, silence.reason, is_told=True)

    @property
    def is_on(self) -> bool:
        return self.failures > 0

    @property
    def is_to_be_told(self) -> bool:
        """Whether one failure more is told of."""
        return not self.is_told and self.failures + 1 >= FAILURES_BEFORE_TOLD

    def failed(self, now: datetime, reason: str, pace: Pace) -> None:
        """`now` is when the poll began."""
        self.since_at = self.since_at or now
        self.reason = reason
        self.resume_at = now + pace.pause(self.failures)
        self.failures += 1

    def postpone(self, now: datetime, pace: Pace) -> None:
        """Asked in vain, but nothing proved that the gateway lives."""
        self.resume_at = now + pace.pause(max(self.failures - 1, 0))


@dataclass(slots=True)
class Refusals:
    """The points of a unit that the device refuses, each retried alone once a day."""

    by_point: dict[int, Refusal] = field(default_factory=dict)

    @classmethod
    def known(cls, refusals: Iterable[Refusal]) -> "Refusals":
        return cls({refusal.data_point_id: refusal for refusal in refusals})

    def refuse(self, data_point_id: int, code: int, now: datetime) -> Refusal:
        """Refused, for the first time or again."""
        before = self.by_point.get(data_point_id)
        retry_at = now + RETRY_AFTER + timedelta(minutes=(data_point_id or 0) * MINUTES_APART % RETRY_SPREAD_MINUTES)
        refusal = Refusal(data_point_id, code, before.since_at if before else now, retry_at)
        self.by_point[data_point_id] = refusal
        return refusal

    def first_due(self, now: datetime) -> Refusal | None:
        """The one that has waited longest, if its time has come or the clock has gone back."""
        longest = RETRY_AFTER + timedelta(minutes=RETRY_SPREAD_MINUTES)
        due = [one for one in self.by_point.values() if not timedelta(0) < one.retry_at - now <= longest]
        return min(due, key=lambda one: one.retry_at, default=None)
