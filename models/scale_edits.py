"""Readings that were taken by an older scale than the one of today: they are stored by today's."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.reading_tables import put_latest
from models.readings import Quality, Sample
from models.rescale_tables import Rescaling, ScaleEdit

Edits = Mapping[int, Sequence[ScaleEdit]]  # of each point, in their order
NOTHING: Mapping[int, "Waiting"] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Waiting:
    """Of a point whose history is being carried over: readings in from_ms <= t < before_ms are still to be."""

    from_ms: int
    before_ms: int

    def __contains__(self, ms: int) -> bool:
        return self.from_ms <= ms < self.before_ms


def scale_edits(session: Session) -> Edits:
    """All edits of scales there have been; their objects are usable after the session is closed."""
    found = session.scalars(select(ScaleEdit).order_by(ScaleEdit.data_point_id, ScaleEdit.id)).all()
    return {point: list(edits) for point, edits in groupby(found, key=lambda edit: edit.data_point_id)}


def by_new_scales(
    samples: Iterable[Sample], edits: Edits, configuration: int, waiting: Mapping[int, Waiting] = NOTHING
) -> list[Sample]:
    """Samples that were taken by a version of the configuration, by the scales of today.

    waiting: points whose last edit `rescale()` will apply to what is stored; it is left out for those readings.
    """
    return [
        _by_new_scale(sample, edits.get(sample.data_point_id, ()), configuration, waiting.get(sample.data_point_id))
        for sample in samples
    ]


def _by_new_scale(sample: Sample, edits: Sequence[ScaleEdit], configuration: int, waiting: Waiting | None) -> Sample:
    at_ms = sample.read_at_ms
    for edit in edits[:-1] if waiting is not None and at_ms in waiting else edits:
        if edit.configuration > configuration and (edit.is_carried_over or at_ms >= edit.edited_at_ms):
            sample = _converted(sample, edit)
    return sample


def _converted(sample: Sample, edit: ScaleEdit) -> Sample:
    if sample.value is None:
        return sample
    if edit.old_scale == 0:  # what was read can't be told any more
        return sample._replace(value=None, quality=Quality.NOT_AVAILABLE)
    return sample._replace(value=(sample.value - edit.old_offset) / edit.old_scale * edit.new_scale + edit.new_offset)


def waiting_histories(session: Session, points: Collection[int]) -> dict[int, Waiting]:
    """Which of these points' readings are still to be carried over; that goes no further until the transaction ends."""
    jobs = session.scalars(
        select(Rescaling).where(Rescaling.data_point_id.in_(points), Rescaling.phase == 0).with_for_update(read=True)
    )
    return {job.data_point_id: Waiting(job.done_until_ms, job.before_ms) for job in jobs}


def put_latest_by_new_scales(session: Session, samples: Sequence[Sample]) -> None:
    """Have the latest readings follow the scales of today where the stored ones are left to `rescale()`."""
    newest = sorted(samples, key=lambda sample: sample.read_at_ms)
    rows = [(sample.data_point_id, sample.read_at_ms, sample.value, int(sample.quality), None) for sample in newest]
    put_latest.run(session.connection(), rows)
