"""What a node tells the others about its channels."""

from collections.abc import Sequence

from realtime.events import Event
from realtime.pusher.limits import PusherLimits
from realtime.pusher.nodes import Occupancy, Report
from realtime.pusher.reporter import Reporter


class Town:
    """A node with channels, and all that it has published."""

    def __init__(self, *, is_shared: bool = True) -> None:
        self.published: list[Event] = []
        self.sockets = {"readings": 1}
        self.reporter = Reporter(
            "here", self._publish, lambda: self.sockets, self._occupancy, PusherLimits(), is_shared=is_shared
        )

    @property
    def reports(self) -> list[Report]:
        return [Report.of(event.facts) for event in self.published if event.name == "hub.node"]

    def _publish(self, events: Sequence[Event]) -> None:
        self.published += events

    def _occupancy(self, channel: str) -> Occupancy:
        return Occupancy(self.sockets.get(channel, 0), {})


def test_a_new_node_asks_the_others_and_says_all_it_has() -> None:
    town = Town()

    town.reporter.tick(0)

    assert town.published[0] == Event("hub.node-ask", (), {"node": "here"})
    assert town.reports == [Report("here", True, {"readings": Occupancy(1, {})})]


def test_changes_are_told_at_most_ten_times_a_second() -> None:
    town = Town()
    town.reporter.tick(0)

    town.sockets = {"gateways": 2}
    town.reporter.changed("gateways")
    town.reporter.changed("readings")
    assert town.reporter.due_at() == 0.1
    town.reporter.tick(0.05)
    assert len(town.reports) == 1
    town.reporter.tick(0.1)

    assert town.reports[1] == Report("here", False, {"gateways": Occupancy(2, {}), "readings": Occupancy(0, {})})
    assert town.reporter.due_at() == 5


def test_everything_is_told_again_every_five_seconds() -> None:
    town = Town()

    for now in range(11):
        town.reporter.tick(now)

    assert [report.is_whole for report in town.reports] == [True] * 3


def test_a_node_without_others_says_nothing() -> None:
    town = Town(is_shared=False)

    town.reporter.changed("readings")
    town.reporter.tick(0)

    assert town.published == []
    assert town.reporter.due_at() == float("inf")
