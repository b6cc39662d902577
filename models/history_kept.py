"""What is still there of a span: a level that retention has reached already gives way to the next coarser one."""

from collections.abc import Collection

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models.history_levels import WIDTHS, Resolution, coarser
from models.rollup_tables import ROLLUPS, Level, RollupState


def kept_resolution(
    session: Session, point_ids: Collection[int], start_ms: int, span_ms: int, pixels: int, wanted: Resolution
) -> Resolution:
    """The wanted resolution, or the finest coarser one out of a level that reaches as far back as the span."""
    if wanted.level is None:
        raw_from_ms = session.scalar(select(RollupState.raw_from_ms)) or 0
        if start_ms >= raw_from_ms:
            return wanted
    level = kept_level(session, point_ids, start_ms, wanted.level or Level.MINUTE)
    return coarser(wanted, span_ms, pixels, level)


def kept_level(session: Session, point_ids: Collection[int], start_ms: int, level: Level) -> Level:
    """The finest level, this one or coarser, in which nothing is missing that the next one has in the span."""
    for finer, rougher in zip(list(Level)[level:], list(Level)[level + 1 :], strict=False):
        oldest_ms = _oldest_ms(session, point_ids, finer)
        older_ms = _oldest_ms(session, point_ids, rougher)
        missing = [
            point
            for point, ms in older_ms.items()
            if max(ms + WIDTHS[rougher], start_ms) < oldest_ms.get(point, start_ms + 1)
        ]
        if not missing:
            return finer
    return Level.DAY


def _oldest_ms(session: Session, point_ids: Collection[int], level: Level) -> dict[int, int]:
    """When the oldest bucket of each point begins; one look into the index each."""
    column = ROLLUPS[level].c
    oldest = [
        select(func.min(column.start_at)).where(column.data_point_id == point).scalar_subquery() for point in point_ids
    ]
    found = session.execute(select(*oldest)).one()
    return {point: ms for point, ms in zip(point_ids, found, strict=True) if ms is not None}
