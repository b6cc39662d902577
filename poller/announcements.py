"""What the world is told of polls that have been stored: their readings and the gateways' new statuses."""

from collections.abc import Callable, Sequence
from time import monotonic

from models.gateway_states import StatusChange
from models.polls import Poll
from models.readings import Sample
from poller.plan import GatewayPlan
from realtime.broker import Publisher
from realtime.events import Event, events_lost, gateway_status_changed, reading_new

BACKLOG_INTERVAL_S = 1.0

PlanOf = Callable[[int], GatewayPlan | None]


class Announcer:
    """Publishes after the commit: polls that just came in full, a backlog in short.

    A backlog is drained at thousands of polls a second, far faster than a browser could draw it, and all but the newest
    value of a point in a frame would be merged away on its way. So once a second the newest value of each point is
    told, after the word that others were left out: pages then fetch from the database what lies between.
    """

    def __init__(self, broker: Publisher, plan_of: PlanOf) -> None:
        self._broker = broker
        self._plan_of = plan_of
        self._newest: dict[int, tuple[int, Sample]] = {}  # of a backlog: gateway and sample by point
        self._left_out = 0
        self._changes: list[StatusChange] = []
        self._told_s = 0.0

    def tell(self, polls: Sequence[Poll], changes: Sequence[StatusChange]) -> None:
        """Polls that have just been made."""
        self.tell_rest()
        readings = [event for poll in polls for event in self._readings(poll.gateway_id, poll.samples)]
        self._broker.publish([*readings, *map(status_event, changes)])

    def tell_backlog(self, polls: Sequence[Poll], changes: Sequence[StatusChange]) -> None:
        """Polls that have waited on the disk."""
        for poll in polls:
            self._left_out += len(poll.samples)
            self._newest |= {sample.data_point_id: (poll.gateway_id, sample) for sample in poll.samples}
        self._changes.extend(changes)
        if monotonic() - self._told_s >= BACKLOG_INTERVAL_S:
            self.tell_rest()

    def tell_rest(self) -> None:
        """What of a backlog has not been told."""
        if not self._newest and not self._changes:
            return
        self._told_s = monotonic()
        readings = [
            event for gateway_id, sample in self._newest.values() for event in self._readings(gateway_id, [sample])
        ]
        left_out = self._left_out - len(self._newest)
        lost = [events_lost(left_out)] if left_out else []
        self._broker.publish([*lost, *readings, *map(status_event, self._changes)])
        self._newest, self._changes, self._left_out = {}, [], 0

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
