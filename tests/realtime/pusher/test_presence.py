"""Members of presence channels, on one node and on several."""

from realtime.pusher.nodes import Change, Nodes, Occupancy, Report
from realtime.pusher.presence import Member, roll

ADA, BOB = Member("ada", {"name": "Ada"}), Member("bob", {"name": "Bob"})


def report(node: str, *members: Member, channel: str = "presence-a", is_whole: bool = False) -> Report:
    """What a node says, through JSON-like data and back."""
    occupancy = Occupancy(len(members), {member.user_id: member.user_info for member in members})
    return Report.of(Report(node, is_whole, {channel: occupancy}).facts())


def test_a_user_with_two_tabs_is_one_member() -> None:
    nodes = Nodes("here", silent_s=15)

    assert nodes.join("presence-a", ADA, "1.1")
    assert not nodes.join("presence-a", ADA, "1.2")
    assert not nodes.leave("presence-a", "ada", "1.1")
    assert nodes.members("presence-a") == {"ada": {"name": "Ada"}}
    assert nodes.leave("presence-a", "ada", "1.2")
    assert nodes.members("presence-a") == {}


def test_a_socket_that_was_not_there_leaves_nobody() -> None:
    assert not Nodes("here", silent_s=15).leave("presence-a", "ada", "1.1")


def test_a_member_who_is_on_two_nodes_came_once_and_leaves_once() -> None:
    nodes = Nodes("here", silent_s=15)

    assert nodes.hear(report("there", ADA), 0) == [Change("presence-a", (ADA,), ())]
    assert not nodes.join("presence-a", ADA, "1.1")
    assert nodes.hear(report("there"), 0) == []
    assert nodes.leave("presence-a", "ada", "1.1")


def test_a_whole_report_is_all_that_a_node_has() -> None:
    nodes = Nodes("here", silent_s=15)
    nodes.hear(report("there", ADA), 0)

    assert (
        nodes.hear(report("there", BOB, channel="presence-b", is_whole=True), 0)
        == [
            Change("presence-a", (), ("ada",)),
            Change("presence-b", (BOB,), ()),
        ]
        or nodes.members("presence-a") == {}
    )
    assert nodes.channels_elsewhere() == {"presence-b"}


def test_a_node_that_falls_silent_takes_its_members_along() -> None:
    nodes = Nodes("here", silent_s=15)
    nodes.hear(report("there", ADA), 0)
    nodes.hear(report("third", ADA, BOB), 10)

    assert nodes.forget_silent(15) == []
    assert nodes.forget_silent(16) == []
    assert nodes.forget_silent(26) == [Change("presence-a", (), ("ada", "bob"))]


def test_what_a_node_hears_of_itself_changes_nothing() -> None:
    nodes = Nodes("here", silent_s=15)

    assert nodes.hear(report("here", ADA), 0) == []
    assert nodes.members("presence-a") == {}


def test_sockets_are_counted_on_all_nodes() -> None:
    nodes = Nodes("here", silent_s=15)
    nodes.hear(report("there", ADA, BOB), 0)
    nodes.hear(report("third", ADA), 0)

    assert nodes.sockets_elsewhere("presence-a") == 3
    assert nodes.sockets_elsewhere("presence-b") == 0


def test_the_roll_names_every_member_once() -> None:
    assert roll({"ada": {"name": "Ada"}, "7": None}) == {
        "presence": {"ids": ["ada", "7"], "hash": {"ada": {"name": "Ada"}, "7": None}, "count": 2}
    }
