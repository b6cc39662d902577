"""The poller as a process of its own: `python -m poller --link FD`, started and watched by the web process."""

import argparse
import asyncio
import signal
import socket
import sys

from poller.lifetime import live
from realtime.broker import LinkBroker
from settings import BadSettings, Settings


async def run(settings: Settings, link: LinkBroker) -> None:
    """Poll until SIGTERM or SIGINT, or until a successor takes over from an orphan."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    await live(settings, link, stop, link.report, lambda: link.is_cut)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--link", type=int, required=True, help="file descriptor of the socket to the web process")
    arguments = parser.parse_args()
    try:
        settings = Settings.load()
    except BadSettings as error:
        sys.stderr.write(f"{error}\n")
        return 2
    settings.start_logging()
    asyncio.run(run(settings, LinkBroker(socket.socket(fileno=arguments.link))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
