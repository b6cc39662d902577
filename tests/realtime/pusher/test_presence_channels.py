"""Presence channels over real sockets, on one node and on two."""

import pytest

from realtime.events import to_json
from realtime.pusher.desk import ChannelFacts
from realtime.pusher.limits import PusherLimits
from tests.realtime.pusher.caller import WAIT_S, Caller
from tests.realtime.pusher.conftest import Start
from tests.realtime.pusher.station import PusherStation, Wire
from tests.realtime.station import wait_for

ROOM = "presence-room"


def came(caller: Caller) -> list[str]:
    return [message["data"]["user_id"] for message in caller.named("pusher_internal:member_added", ROOM)]


def left(caller: Caller) -> list[str]:
    return [message["data"]["user_id"] for message in caller.named("pusher_internal:member_removed", ROOM)]


def wait_for_sockets(station: PusherStation, count: int) -> None:
    """Until so many are in the room, on all nodes."""
    wait_for(lambda: station.channels()[ROOM].subscription_count == count, WAIT_S)


def test_members_see_who_is_there_who_comes_and_who_leaves(station: PusherStation) -> None:
    ada, bob = station.call(), station.call()

    assert ada.join_as(ROOM, "ada")["presence"] == {"ids": ["ada"], "hash": {"ada": {"name": "ada"}}, "count": 1}
    assert bob.join_as(ROOM, "bob")["presence"]["ids"] == ["ada", "bob"]
    assert ada.wait_for("pusher_internal:member_added")["data"] == {"user_id": "bob", "user_info": {"name": "bob"}}
    bob.leave(ROOM)
    ada.wait(lambda: left(ada) == ["bob"])
    assert came(bob) == []


@pytest.mark.parametrize("how", ["unsubscribe", "close", "vanish"])
def test_a_member_with_two_tabs_leaves_with_the_last(station: PusherStation, how: str) -> None:
    witness, first, second = station.call(), station.call(), station.call()
    witness.join_as(ROOM, "witness")
    first.join_as(ROOM, "ada")
    assert second.join_as(ROOM, "ada")["presence"]["count"] == 2

    for tab in (first, second):
        assert left(witness) == []
        if how == "unsubscribe":
            tab.leave(ROOM)
            tab.in_step()
        elif how == "close":
            tab.hang_up()
        else:
            tab.socket.socket.close()
        wait_for_sockets(station, 2 if tab is first else 1)
        witness.in_step()

    witness.wait(lambda: left(witness) == ["ada"])
    assert came(witness) == ["ada"]


def test_a_number_is_as_good_a_user_id_as_a_text(station: PusherStation) -> None:
    caller = station.call()

    joined = caller.join(ROOM, channel_data=to_json({"user_id": 7}).decode())

    assert joined["presence"] == {"ids": ["7"], "hash": {"7": {}}, "count": 1}


def test_a_user_who_signed_in_is_a_member_by_that(station: PusherStation) -> None:
    caller = station.call()
    caller.sign_in({"id": "ada", "user_info": {"name": "Ada"}})

    assert caller.join(ROOM)["presence"]["hash"] == {"ada": {"name": "Ada"}}


def test_a_full_channel_takes_no_new_member_but_another_tab(start: Start) -> None:
    station = start(pusher_limits=PusherLimits(max_members=1))
    station.call().join_as(ROOM, "ada")
    bob = station.call()

    bob.ask(ROOM, channel_data='{"user_id":"bob"}')

    assert bob.wait_for("pusher:subscription_error", ROOM)["data"]["type"] == "LimitReached"
    assert station.call().join_as(ROOM, "ada")["presence"]["count"] == 1


def test_a_channel_without_sockets_is_forgotten(station: PusherStation) -> None:
    caller = station.call()
    caller.join_as(ROOM, "ada")
    assert station.channels() == {ROOM: ChannelFacts(1, ("ada",))}

    caller.leave(ROOM)
    caller.in_step()

    assert station.channels() == {}
    assert station.members(ROOM) == []


def test_members_of_two_nodes_see_each_other(start: Start) -> None:
    wire = Wire()
    here, there = start(wire=wire), start(wire=wire)
    ada, bob = here.call(), there.call()
    ada.join_as(ROOM, "ada")
    bob.join_as(ROOM, "bob")

    ada.wait(lambda: came(ada) == ["bob"])
    wait_for(lambda: there.members(ROOM) == ["ada", "bob"], WAIT_S)
    assert here.call().join_as(ROOM, "eve")["presence"]["count"] == 3
    bob.wait(lambda: "eve" in came(bob))
    wait_for_sockets(here, 3)
    bob.leave(ROOM)
    ada.wait(lambda: left(ada) == ["bob"])


def test_a_member_who_is_on_both_nodes_leaves_with_the_last_socket(start: Start) -> None:
    wire = Wire()
    here, there = start(wire=wire), start(wire=wire)
    witness, first, second = here.call(), here.call(), there.call()
    witness.join_as(ROOM, "witness")
    first.join_as(ROOM, "ada")
    second.join_as(ROOM, "ada")
    wait_for_sockets(here, 3)

    first.leave(ROOM)
    first.in_step()
    witness.in_step()
    assert left(witness) == []
    second.leave(ROOM)
    witness.wait(lambda: left(witness) == ["ada"])

    assert came(witness) == ["ada"]


def test_a_node_that_starts_later_learns_who_is_there(start: Start) -> None:
    wire = Wire()
    start(wire=wire).call().join_as(ROOM, "ada")

    late = start(wire=wire)

    wait_for(lambda: late.members(ROOM) == ["ada"], WAIT_S)
    assert late.call().join_as(ROOM, "bob")["presence"]["count"] == 2


def test_the_members_of_a_node_that_died_leave(start: Start) -> None:
    wire, limits = Wire(), PusherLimits(report_changes_s=0.02, report_all_s=0.2, node_silent_s=1.0)
    here, there = start(wire=wire, pusher_limits=limits), start(wire=wire, pusher_limits=limits)
    ada, bob = here.call(), there.call()
    ada.join_as(ROOM, "ada")
    bob.join_as(ROOM, "bob")
    ada.wait(lambda: "bob" in came(ada))

    there.fall_silent()

    ada.wait(lambda: left(ada) and here.members(ROOM) == ["ada"])


def test_client_events_and_user_channels_reach_the_other_node(start: Start) -> None:
    wire = Wire()
    here, there = start(wire=wire), start(wire=wire)
    ada, bob = here.call(), there.call()
    ada.join("private-a")
    bob.join("private-a")

    ada.say("client-hello", {"n": 1}, channel="private-a")

    assert bob.wait_for("client-hello")["data"] == {"n": 1}
    ada.in_step()
    assert ada.named("client-hello") == []
