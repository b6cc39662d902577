"""What the world is told of polls that have been stored: their readings and the gateways' new statuses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic

from sqlalchemy.orm import Session

from models.gateway_states import StatusChange
from models.polls import Poll
from models.readings import Sample
from poller.plan import GatewayPlan
from poller.telling import Telling
from realtime.events import Event, events_lost, gateway_status_changed, reading_new

BACKLOG_INTERVAL_S = 1.0

PlanOf = Callable[[int], GatewayPlan | None]


@dataclass(frozen=True, slots=True)
class Rest:
    """What of a backlog has been stored and not told: how many readings, the newest of each point, and changes.

    newest: gateway and sample by point.
    """

    readings: int = 0
    newest: Mapping[int, tuple[int, Sample]] = field(default_factory=dict)
    changes: Sequence[StatusChange] = ()

    def __bool__(self) -> bool:
        return bool(self.readings or self.changes)

    def plus(self, polls: Sequence[Poll], changes: Sequence[StatusChange]) -> "Rest":
        newest = {sample.data_point_id: (poll.gateway_id, sample) for poll in polls for sample in poll.samples}
        count = sum(len(poll.samples) for poll in polls)
        return Rest(self.readings + count, {**self.newest, **newest}, [*self.changes, *changes])


class Announcer:
    """Tells of polls that are stored: of those that just came in full, of a backlog in short.

    A backlog is drained at thousands of polls a second, far faster than a browser could draw it, and all but the newest
    value of a point in a frame would be merged away on its way. So once a second the newest value of each point is
    told, after the word that others were left out: pages then fetch from the database what lies between.
    The same word is the first of a poller whose broker goes on without it: the one before it may have died untold.
    """

    def __init__(self, telling: Telling, plan_of: PlanOf) -> None:
        self._telling = telling
        self._plan_of = plan_of
        self._rest = Rest(readings=1 if telling.is_shared else 0)
        self._rest_then = self._rest  # ... once the transaction at hand is committed
        self._due: list[Event] = []
        self._told_s = 0.0

    def record(
        self,
        session: Session,
        polls: Sequence[Poll],
        changes: Sequence[StatusChange],
        *,
        is_backlog: bool = False,
        known: int = 0,
    ) -> None:
        """Polls that are being stored, in their transaction; `told` says that it has been committed.

        is_backlog: they have waited on the disk. known: so many more readings turned out to be stored already: it was
        not heard how their commit ended.
        """
        rest = replace(self._rest, readings=self._rest.readings + known) if self._telling.has_gap else self._rest
        if is_backlog:
            rest = rest.plus(polls, changes)
            is_due = monotonic() - self._told_s >= BACKLOG_INTERVAL_S
            self._due, self._rest_then = (self._events(rest), Rest()) if is_due else ([], rest)
        else:
            self._due, self._rest_then = [*self._events(rest), *self._events_of(polls, changes)], Rest()
        self._telling.record(session, self._due)

    def told(self) -> None:
        """What was recorded last is committed."""
        if self._rest and not self._rest_then:
            self._told_s = monotonic()
        self._rest = self._rest_then
        events, self._due = self._due, []
        self._telling.publish(events)

    def tell_rest(self) -> None:
        """What of a backlog has not been told; raises what the database raises, and can be tried again."""
        if self._rest.newest or self._rest.changes:
            self._telling.tell(self._events(self._rest))
            self._rest, self._told_s = Rest(), monotonic()

    def _events(self, rest: Rest) -> list[Event]:
        readings = [
            event for gateway_id, sample in rest.newest.values() for event in self._readings(gateway_id, [sample])
        ]
        left_out = rest.readings - len(rest.newest)
        lost = [events_lost(left_out)] if left_out else []
        return [*lost, *readings, *map(status_event, rest.changes)]

    def _events_of(self, polls: Sequence[Poll], changes: Sequence[StatusChange]) -> list[Event]:
        readings = [event for poll in polls for event in self._readings(poll.gateway_id, poll.samples)]
        return [*readings, *map(status_event, changes)]

    def _readings(self, gateway_id: int, samples: Sequence[Sample]) -> list[Event]:
        plan = self._plan_of(gateway_id)
        return [] if plan is None else reading_events(plan, samples)


def reading_events(plan: GatewayPlan, samples: Sequence[Sample]) -> list[Event]:
    """One event a sample; a point that is not polled any more has none."""
    events = []
    for point_id, read_at_ms, value, quality, text in samples:
        point = plan.points.get(point_id)
        if point is not None:
            events.append(
                reading_new(
                    data_point_id=point_id,
                    gateway_id=plan.gateway_id,
                    group_name=plan.device_names[point_id],
                    label=point.label,
                    unit=point.unit,
                    value=value if text is None else text,
                    quality=int(quality),
                    read_at_ms=read_at_ms,
                )
            )
    return events


def status_event(change: StatusChange) -> Event:
    return gateway_status_changed(
        gateway_id=change.gateway_id,
        name=change.name,
        ip_address=change.host,
        port=change.port,
        is_active=change.enabled,
        last_seen_at=change.last_success_at,
        success_count=change.success_count,
        failure_count=change.failure_count,
        previous=change.previous.value,
        current=change.current.value,
        changed_at=change.at,
        reason=change.reason,
    )
