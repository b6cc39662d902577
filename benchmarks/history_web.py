"""The web side on a store that has been built, in a process of its own; everybody is signed in.

    python benchmarks/history_web.py DATABASE

Says its address, and ends with its input.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # this is run as a script

from benchmarks.polling_workers import Figures, serve_questions
from models.database import Database
from settings import Settings
from tests.browser.server import WebServer


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{sys.argv[1]}"
        settings = Settings.load(
            database_url=url, data_folder=Path(folder), secret_key="k" * 40, log_level="WARNING", _env_file=None
        )
        server = WebServer(Database(url), settings)
        server.start()
        serve_questions(nothing, url=server.url)
        server.stop()


def nothing(_question: Figures) -> Figures:
    return {}


if __name__ == "__main__":
    main()
