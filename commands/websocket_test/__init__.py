"""`websocket-test`: opens real sockets as a real user and says, step by step, what works and what to do."""

from commands.websocket_test.command import websocket_test

__all__ = ["websocket_test"]
