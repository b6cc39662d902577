"""Close codes: what a browser does next depends on them."""

from enum import IntEnum


class CloseCode(IntEnum):
    """Why a socket was closed; 4000-4099: never again, 4100-4199: later, 4200-4299: come back at once.

    Source: the Pusher Channels protocol, "Connection closure"; below 4000 see RFC 6455, 7.4.1.
    """

    ABNORMAL = 1006  # never on the wire: the socket was cut
    FLOOD = 1008
    TOO_BIG = 1009
    SERVER_ERROR = 1011
    NOT_ALLOWED = 4009  # the session ended or a permission was taken away
    TOO_MANY = 4100
    COME_BACK = 4200  # slow, or the server restarts
    SILENT = 4201
