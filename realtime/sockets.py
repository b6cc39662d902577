"""Sockets without waiting: what they take and give now, plain or over TLS."""

import logging
import os
import socket
import ssl

logger = logging.getLogger(__name__)

WOULD_BLOCK = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
READ_BYTES = 4096
TLS_RECORD_BYTES = 16384  # read whole: what stays inside the TLS layer does not make the socket readable again
UNSENT_IN_KERNEL_BYTES = 32768  # more would only grow old there, out of reach of merging


class Broken(Exception):
    """The socket can neither send nor receive any more."""


def make_prompt(sock: socket.socket) -> None:
    """Never block, never wait to fill a packet, never pile up in the kernel what the other side does not read."""
    sock.setblocking(False)
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_IN_KERNEL_BYTES)


def write(sock: socket.socket, data: bytes | memoryview) -> int:
    """Send what goes at once; returns how many bytes that were. Raises Broken."""
    try:
        return sock.send(data)
    except WOULD_BLOCK:
        return 0
    except OSError as error:
        raise Broken from error


def read(sock: socket.socket) -> bytes | None:
    """What has arrived; None for nothing yet. Raises Broken, also at the end."""
    try:
        data = sock.recv(TLS_RECORD_BYTES if is_tls(sock) else READ_BYTES)
    except WOULD_BLOCK:
        return None
    except OSError as error:
        raise Broken from error
    if not data:
        raise Broken
    return data


def take_over(sock: socket.socket) -> socket.socket:
    """A socket of our own for the same connection; the given object is left with one that is not connected.

    gunicorn shuts down and closes what its object holds when the request handler returns (`TConn.close`), and counts
    the connection as ended; so it must hold something that it can close. Not for TLS: its state is in the object.
    """
    own = sock.dup()
    with socket.socket() as placeholder:
        os.dup2(placeholder.fileno(), sock.fileno(), inheritable=False)
    return own


def is_tls(sock: socket.socket) -> bool:
    return isinstance(sock, ssl.SSLSocket)


def shut_down(sock: socket.socket, how: int = socket.SHUT_RDWR) -> None:
    """End a connection, in both directions or one; one that is gone already is as good."""
    try:
        sock.shutdown(how)
    except OSError:
        logger.debug("socket was gone already")
