"""The plant of the latency benchmark: commits readings as the poller does, then announces them, and notes when.

It reads one gateway after the other, so that no window holds two readings of the same point, which would be merged.

    python benchmarks/latency_plant.py FOLDER

Asked in JSON lines: {"commits": how many, "pause_s": [shortest, longest]}; answers {reading id: when its commit had
returned, in ms since 1970}. FOLDER gets the database and a socket, over which the web process is sent the events.
"""

import argparse
import random
import socket
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # this is run as a script

from benchmarks.polling_workers import Figures, serve_questions
from models.database import Database
from models.schema import upgrade
from models.users import Role, create_user, make_sign_in_link
from realtime.broker import LinkBroker
from realtime.events import Event
from tests.browser.plant import Plant

DATABASE, SOCKET = "monitor.db", "plant.sock"
GATEWAYS = 8


class Committer:
    """Stores one reading at a time; announces it once the commit has returned."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(f"sqlite:///{folder / DATABASE}")
        upgrade(self.database)
        self._plant = Plant(self.database, self._announce, meters=(1,) * GATEWAYS)
        self._plant.build()
        self._plant.seed(minutes=31)
        self._dice = random.Random(1)
        self._link: LinkBroker | None = None
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / SOCKET))
        self._listener.listen(1)
        self._committed_at_ms: dict[str, float] = {}

    def answer(self, question: Figures) -> Figures:
        if "sign_in" in question:
            return {"token": self._token(question["sign_in"])}
        if "link" in question:
            self._link = LinkBroker(self._listener.accept()[0])
            return {}
        shortest_s, longest_s = question["pause_s"]
        self._committed_at_ms = {}
        for number in range(question["commits"]):
            time.sleep(self._dice.uniform(shortest_s, longest_s))
            self._plant.silent = set(range(1, GATEWAYS + 1)) - {number % GATEWAYS + 1}
            self._plant.read(datetime.now(UTC))
        return self._committed_at_ms

    def _token(self, name: str) -> str:
        now = datetime.now(UTC)
        with self.database.write() as session:
            return make_sign_in_link(session, create_user(session, name, Role.VIEWER, now), now)

    def _announce(self, events: Sequence[Event]) -> None:
        assert self._link is not None
        now_ms = time.time_ns() / 1e6
        for event in events:
            self._committed_at_ms[event.facts["reading"]["id"]] = now_ms
        self._link.publish(events)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    serve_questions(Committer(parser.parse_args().folder).answer)


if __name__ == "__main__":
    main()
