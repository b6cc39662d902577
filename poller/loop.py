"""The event loop that polling runs on: uvloop, which takes two thirds of asyncio's CPU, where there is one."""

import asyncio
import logging
import os
import socket
import sys
from typing import Any

logger = logging.getLogger(__name__)

RESOLVERS = 32  # host names looked up at once: a name server that hangs must not hold up the other gateways


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A new loop; asyncio's own on Windows, for which uvloop is not made."""
    loop = _new_loop()
    loop.set_exception_handler(_note)
    return loop


def _new_loop() -> asyncio.AbstractEventLoop:
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    os.environ.setdefault("UV_THREADPOOL_SIZE", str(RESOLVERS))  # read by libuv when it looks up its first name
    import uvloop

    return uvloop.new_event_loop()


def _note(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The look-up of a name goes on after its connection was given up; that it failed too was told already."""
    if isinstance(context.get("exception"), socket.gaierror):
        logger.debug("loop: a name that nobody waits for any more was not found (%s)", context["exception"])
    else:
        loop.default_exception_handler(context)
