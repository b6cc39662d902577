"""The poller as a process of its own: `python -m poller --link FD`, started and watched by the web process."""

import argparse
import asyncio
import logging
import signal
import socket
import sys

from models.device_template import BadTemplate, use_folder
from poller.garbage import collect_rarely, set_apart
from poller.lifetime import live
from poller.loop import new_event_loop
from realtime.broker import Broker, LinkBroker, open_broker
from settings import BadSettings, Settings

logger = logging.getLogger(__name__)


async def run(settings: Settings, link: LinkBroker) -> None:
    """Poll until SIGTERM or SIGINT, or until a successor takes over from an orphan."""
    broker = _way(settings, link)
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    try:
        await live(settings, broker, stop, link.report, lambda: link.is_cut, set_apart)
    finally:
        if broker is not link:
            broker.close()


def _way(settings: Settings, link: LinkBroker) -> Broker | LinkBroker:
    """How events leave this process: by a shared broker where there is one, for the web process may die before us.

    While that is away they go straight to the web process, for its own clients; with another driver than the hub they
    always do, for it has the driver. In an outbox they lie already.
    """
    if settings.broker_url == "memory://" or settings.broadcast_driver != "hub":
        return link
    if settings.broker_url.startswith("postgresql"):
        return open_broker("memory://")  # where nobody listens
    return open_broker(settings.broker_url, keep_s=settings.ring_s, meanwhile=link.publish)


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
    collect_rarely()
    try:
        use_folder(settings.templates_folder)
    except BadTemplate as error:
        logger.error("templates: %s", error)  # their devices are not polled; the others must be
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(run(settings, LinkBroker(socket.socket(fileno=arguments.link))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
