"""What the close codes of sockets mean to a person, and what a client does after each."""

# RFC 6455, 7.4.1, and the Pusher Channels protocol, "Error codes".
MEANINGS = {
    1000: "the client was done",
    1001: "the page was left or loaded anew",
    1002: "broke the WebSocket protocol",
    1003: "sent what nobody here reads",
    1005: "left without a reason",
    1006: "broke off without a word",
    1007: "sent text that is no UTF-8",
    1008: "sent too many messages",
    1009: "sent a message that is too big",
    1010: "missed an extension",
    1011: "an error of this server",
    4000: "TLS is needed",
    4001: "no such application key",
    4003: "the application is disabled",
    4004: "too many connections for the application",
    4005: "no such path",
    4006: "the protocol version is not a number",
    4007: "a protocol version that is not spoken here",
    4008: "no protocol version was named",
    4009: "not allowed, or the session ended",
    4100: "too many connections",
    4200: "too slow, or the server restarted",
    4201: "silent: a ping was not answered",
    4202: "idle for too long",
    4301: "too many client events",
}


def meaning(code: int) -> str:
    return MEANINGS.get(code, "a reason of the client's own")


def what_follows(code: int) -> str:
    """What clients of the Pusher protocol, and our own pages, do after a close with this code."""
    if 4000 <= code < 4100:
        return "stays away"
    if 4100 <= code < 4200:
        return "comes back after a while"
    if 4200 <= code < 4300:
        return "comes back at once"
    return "is gone" if code in (1000, 1001) else "comes back, waiting longer each time"
