"""The rules for counters once more, slowly and in other words: plain Python on exact fractions, no arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, pairwise

from models.counters import CounterRules
from models.rollup_tables import Mark

Reading = tuple[int, Fraction]  # when (ms), and what the counter showed

AROUND = 3
LATE_MS = 60_000
ROLLED, RESET, LOST = "rolled", "reset", "lost"


@dataclass(frozen=True)
class Step:
    """Between two readings that count. begins: whether another life of the meter begins with the second."""

    start_ms: int
    end_ms: int
    amount: Fraction
    mark: Mark
    begins: bool


class Oracle:
    """What a list of readings amounts to."""

    def __init__(self, readings: Sequence[Reading], rules: CounterRules) -> None:
        self.rules = rules
        self.readings = list(readings)
        self.kept = [number for number in range(len(readings)) if self.counts(number)]
        self.steps = [self.step(*pair) for pair in pairwise(self.kept)]

    def allowed(self, span_ms: int, shown: Fraction) -> Fraction | None:
        """The most it may have grown; None: anything."""
        if self.rules.most_per_s is None:
            return None
        power = Fraction(self.rules.most_per_s) * (span_ms + LATE_MS) / 1000
        return power + Fraction(self.rules.resolution) + abs(shown) / 2**22

    def is_possible(self, first: Reading, second: Reading) -> bool:
        rise, most = second[1] - first[1], self.allowed(second[0] - first[0], second[1])
        return rise >= 0 and (most is None or rise <= most)

    def counts(self, number: int) -> bool:
        """Of all groups of the readings around it that agree, one with it is as large as any that goes around it."""
        around = list(range(max(number - AROUND, 0), min(number + AROUND + 1, len(self.readings))))
        is_new = number + AROUND >= len(self.readings)
        if self.agrees(around, around):
            return True
        own, other = 0, 0
        for size in range(1, len(around) + 1):
            for group in combinations(around, size):
                if self.agrees(group, around):
                    goes_around = group[0] < number and (number < group[-1] or is_new)
                    own = size if number in group else own
                    other = size if number not in group and goes_around else other
        return own >= other

    def agrees(self, group: Sequence[int], around: Sequence[int]) -> bool:
        for first, second in pairwise(group):
            low, high = self.readings[first], self.readings[second]
            if not self.is_possible(low, high):
                return False
            for other in around:
                shown = self.readings[other][1]
                if other < first and low[1] < shown <= high[1]:
                    return False
                if other > second and low[1] <= shown < high[1]:
                    return False
        return True

    def step(self, first: int, second: int) -> Step:
        (start_ms, before), (end_ms, after) = self.readings[first], self.readings[second]
        is_gap = end_ms - start_ms > self.rules.gap_ms
        known = Mark.INTERPOLATED if is_gap else Mark.MEASURED
        if second - first > AROUND + 1:
            return Step(start_ms, end_ms, Fraction(0), Mark.MISSING, True)
        if self.is_possible(self.readings[first], self.readings[second]):
            return Step(start_ms, end_ms, after - before, known, False)
        if after > before:
            return Step(start_ms, end_ms, Fraction(0), Mark.MISSING, True)
        if self.rolled(before, after, end_ms - start_ms):
            return Step(start_ms, end_ms, after - before + Fraction(self.rules.modulus or 0), known, False)
        most = self.allowed(end_ms - start_ms, after)
        if 0 <= after <= (before / 100 if most is None else most):
            return Step(start_ms, end_ms, after, Mark.ESTIMATED, True)
        is_small = before - after <= abs(before) / 100
        return Step(start_ms, end_ms, Fraction(0), Mark.ESTIMATED if is_small else Mark.MISSING, True)

    def rolled(self, before: Fraction, after: Fraction, span_ms: int) -> bool:
        if self.rules.modulus is None or after < 0 or before > self.rules.modulus:
            return False
        most = self.allowed(span_ms, before)
        limit = Fraction(self.rules.modulus) / 10 if most is None else most
        return after + Fraction(self.rules.modulus) - before <= limit

    def lives(self) -> list[list[Step]]:
        """The steps of each life of the meter, without those between two lives."""
        lives: list[list[Step]] = [[]]
        for step in self.steps:
            if step.begins:
                lives.append([])
            else:
                lives[-1].append(step)
        return [life for life in lives if life]

    def amount(self, start_ms: int, end_ms: int) -> Fraction:
        """What was counted in a span: of each step the share of its time that is in the span."""
        total = Fraction(0)
        for step in self.steps:
            inside_ms = min(step.end_ms, end_ms) - max(step.start_ms, start_ms)
            if inside_ms > 0:
                total += step.amount * inside_ms / (step.end_ms - step.start_ms)
        return total

    def mark(self, start_ms: int, end_ms: int) -> Mark:
        """The worst mark of any step that shares time with the span; MISSING where none does."""
        if not self.steps or start_ms < self.steps[0].start_ms or end_ms > self.steps[-1].end_ms:
            return Mark.MISSING
        return max(
            Mark.MEASURED
            if step.mark is Mark.INTERPOLATED and start_ms <= step.start_ms and step.end_ms <= end_ms
            else step.mark
            for step in self.steps
            if step.start_ms < end_ms and step.end_ms > start_ms
        )
