"""The bell wakes the thread that waits in a selector, whatever the system makes it of."""

import os
import selectors
import threading
from collections.abc import Iterator

import pytest

from realtime.bell import Bell


@pytest.fixture(params=["eventfd", "sockets"])
def selector(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[selectors.BaseSelector]:
    if request.param == "sockets":
        monkeypatch.delattr(os, "eventfd", raising=False)
    with selectors.DefaultSelector() as selector:
        yield selector


def test_a_bell_that_is_rung_wakes_a_thread(selector: selectors.BaseSelector) -> None:
    bell = Bell(selector)
    threading.Thread(target=bell.ring).start()
    assert selector.select(10)
    bell.close()


def test_a_bell_is_silent_once_it_was_heard_however_often_it_was_rung(selector: selectors.BaseSelector) -> None:
    bell = Bell(selector)
    bell.ring()
    bell.ring()
    bell.hush()
    assert not selector.select(0)
    bell.hush()
    bell.ring()
    assert selector.select(0)
    bell.close()
