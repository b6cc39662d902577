"""Snapshots: shared by those who come at once, and never older than the one who gets it."""

import json
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from realtime.roster import Identity
from realtime.snapshots import Snapshots
from tests.realtime.station import wait_for

ADA = Identity("ada", "a", "ada")
BEN = Identity("ben", "b", "ben")
EVE = Identity("eve", "e", "eve", frozenset({3}))


class Plant:
    """What snapshots are taken of; each takes until it is let go."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.may_end = threading.Semaphore(0)
        self.snapshots = Snapshots(self.take)

    def take(self, identity: Identity) -> Mapping[str, Any]:
        self.begun.append(identity.name)
        number = len(self.begun)
        assert self.may_end.acquire(timeout=10)
        return {"number": number}


def number_of(answer: "Future[Any]") -> int:
    number: int = json.loads(answer.result(10).text)["data"]["number"]
    return number


def test_all_who_come_while_one_is_taken_share_the_next() -> None:
    plant = Plant()
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(plant.snapshots.after_now, ADA)
        wait_for(lambda: plant.begun)
        late = [pool.submit(plant.snapshots.after_now, identity) for identity in (ADA, BEN, ADA, BEN, ADA)]
        wait_for(lambda: plant.snapshots.waiting == 6)
        plant.may_end.release(2)
        assert number_of(first) == 1
        assert {number_of(answer) for answer in late} == {2}
    assert len(plant.begun) == 2 and plant.snapshots.waiting == 0


def test_those_who_see_other_gateways_wait_for_nobody() -> None:
    plant = Plant()
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(plant.snapshots.after_now, identity) for identity in (ADA, EVE)]
        wait_for(lambda: set(plant.begun) == {"ada", "eve"})
        plant.may_end.release(2)
        assert {number_of(answer) for answer in answers} == {1, 2}


def test_a_snapshot_that_fails_fails_for_those_who_shared_it_and_for_no_other() -> None:
    failures = [RuntimeError("no database")]

    def take(_: Identity) -> Mapping[str, Any]:
        if failures:
            raise failures.pop()
        return {"number": 2}

    snapshots = Snapshots(take)
    with pytest.raises(RuntimeError, match="no database"):
        snapshots.after_now(ADA)
    assert json.loads(snapshots.after_now(ADA).text)["data"] == {"number": 2}
