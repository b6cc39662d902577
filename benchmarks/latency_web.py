"""The web process of the latency benchmark: the program's own, with another process in the place of its poller.

python benchmarks/latency_web.py FOLDER PORT --window-ms 100
"""

import argparse
import os
import signal
import socket
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # this is run as a script

from app import Monitor, create_app
from benchmarks.latency_plant import DATABASE, SOCKET
from benchmarks.polling_workers import say
from realtime.link import LastReport, pump
from realtime.serving import listen, serve
from settings import Settings

MOST_CLIENTS = 10_000


def settings_of(folder: Path, window_ms: int) -> Settings:
    return Settings.load(
        database_url=f"sqlite:///{folder / DATABASE}",
        data_folder=folder,
        secret_key="k" * 40,
        log_level="WARNING",
        frame_window_ms=window_ms,
        max_connections=MOST_CLIENTS,
        max_connections_per_user=MOST_CLIENTS,
        max_connections_per_address=MOST_CLIENTS,
        _env_file=None,
    )


def make(settings: Settings) -> Monitor:
    monitor = create_app(settings)
    monitor.companions.clear()
    link = socket.socket(socket.AF_UNIX)
    link.connect(str(settings.data_folder / SOCKET))
    threading.Thread(target=pump, args=(link, monitor.broker, LastReport()), daemon=True).start()
    return monitor


def end_with_input() -> None:
    """Whoever asked for this process has gone once its end of the pipe is closed."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--window-ms", type=int, default=100)
    wanted = parser.parse_args()
    settings = settings_of(wanted.folder, wanted.window_ms)
    listener = listen("127.0.0.1", wanted.port)
    threading.Thread(target=end_with_input, daemon=True).start()
    say({"port": listener.getsockname()[1]})
    serve(settings, lambda: make(settings), listener, lambda: None)


if __name__ == "__main__":
    main()
