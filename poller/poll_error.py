"""What can go wrong with one request; the class decides the reaction."""

EXCEPTION_WORDS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledge",
    6: "device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target failed to respond",
}
PERMANENT_EXCEPTIONS = (1, 2, 3)  # the device does not have what was asked for


class PollError(Exception):
    """A request that gave no values; the message names the thing and the remedy. permanent: asking again is no use."""

    permanent = False


class Unreachable(PollError):
    """No connection could be made."""


class ConnectionLost(PollError):
    """The connection ended during a request."""


class NoAnswer(PollError):
    """No valid reply came in time; a late one will never be taken for another request's."""


class ExceptionReply(PollError):
    """The device answered with a Modbus exception code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code
        self.permanent = code in PERMANENT_EXCEPTIONS


class BadReply(PollError):
    """A reply that does not fit its request; the connection is no longer trusted."""
