"""Updates through the real socket, faster than time passes: each is a frame with a new reading of every point."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from models.database import to_ms
from models.gateways import Status
from tests.browser.conftest import RunningApp, Screen

STEP = timedelta(seconds=0.5)  # of the plant's time between two updates
STATUS_EVERY = 100  # updates
# Counts the frames at the socket, and those that Dash passes on: of several at once it keeps the newest.
COUNT_AT_SOCKET = """
window.framesAtSocket = 0;
window.framesAtCallback = 0;
window.WebSocket = class extends WebSocket {
  constructor(...given) {
    super(...given);
    this.addEventListener("message", () => { framesAtSocket += 1; });
  }
};
"""
COUNT_AT_CALLBACK = """() => {
  const { message } = dash_clientside.live;
  dash_clientside.live.message = (frame) => {
    framesAtCallback += 1;
    return message(frame);
  };
}"""


@dataclass
class Updates:
    """Sends readings from now on, ahead of time; the hub must have no window. Now and then a gateway fails."""

    app: RunningApp
    per_s: float
    sent: int = 0
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def send(self, count: int) -> None:
        next_at = time.monotonic()
        for _ in range(count):
            self.sent += 1
            self.app.plant.publish(self.app.plant.events(self.started_at + self.sent * STEP))
            if self.sent % STATUS_EVERY == 0:
                is_odd = self.sent // STATUS_EVERY % 2
                self.app.plant.change(3, Status.OFFLINE if is_odd else Status.ONLINE, "no answer" if is_odd else "")
            next_at += 1 / self.per_s
            time.sleep(max(0.0, next_at - time.monotonic()))

    def wait_until_seen(self, screen: Screen, timeout_s: float = 30.0) -> None:
        """Until the page has the newest reading; more follow, since of a crowd Dash may have dropped the last."""
        deadline = time.monotonic() + timeout_s
        newest = "monitor.plant.newestReadingMs"
        while screen.ask(newest) < to_ms(self.started_at + self.sent * STEP):
            assert time.monotonic() < deadline, screen.state()
            self.send(1)
            time.sleep(0.2)
