"""Reads charts of four points, one after the other, until it is asked how that went.

    python benchmarks/store_reader.py DATABASE_URL SPAN_S PAUSE_S

Answers any line with how many charts were read since the last one and how long they took.
"""

import random
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # this is run as a script

from benchmarks.polling_workers import Figures, serve_questions
from benchmarks.store_figures import percentiles
from benchmarks.store_meters import channels
from models.database import Database
from models.history import tracks

PIXELS = 1500


class Reader:
    """A thread that reads one chart after the other, each of four other points."""

    def __init__(self, url: str, span_s: float, pause_s: float) -> None:
        self._database = Database(url)
        self._points = [point.id for point in channels(self._database)]
        self._span, self._pause_s = timedelta(seconds=span_s), pause_s
        self._took_ms: list[float] = []
        self._dice = random.Random(1)
        threading.Thread(target=self._run, daemon=True).start()

    def answer(self, _question: Figures) -> Figures:
        took_ms, self._took_ms = self._took_ms, []
        return {"charts": len(took_ms), **percentiles("chart", took_ms)}

    def _run(self) -> None:
        while True:
            now = datetime.now(UTC)
            started = time.perf_counter()
            with self._database.read() as session:
                tracks(session, self._dice.sample(self._points, 4), now - self._span, now, PIXELS, now=now)
            self._took_ms.append((time.perf_counter() - started) * 1000)
            time.sleep(self._pause_s)


def main() -> None:
    url, span_s, pause_s = sys.argv[1:]
    serve_questions(Reader(url, float(span_s), float(pause_s)).answer)


if __name__ == "__main__":
    main()
