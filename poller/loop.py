"""The event loop that polling runs on: uvloop, which takes two thirds of asyncio's CPU, where there is one."""

import asyncio
import os
import sys

RESOLVERS = 32  # host names looked up at once: a name server that hangs must not hold up the other gateways


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A new loop; asyncio's own on Windows, for which uvloop is not made."""
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    os.environ.setdefault("UV_THREADPOOL_SIZE", str(RESOLVERS))  # read by libuv when it looks up its first name
    import uvloop

    return uvloop.new_event_loop()
