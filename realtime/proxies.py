"""Who a request comes from when a proxy stands in between: its word is taken only if its address is trusted."""

import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
IsTrusted = Callable[[Address], bool]

FOR, PROTO, HOST = "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST"
OTHERS = ("HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_X_FORWARDED_PORT", "HTTP_X_FORWARDED_PREFIX")
WITH_PORT = re.compile(r"(?:\[(?P<six>[^\]]+)\](?::\d+)?|(?P<four>[0-9.]+):\d+)", re.ASCII)
HOST_NAME = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)


def behind(application: "WSGIApplication", trusted_proxies: Sequence[str]) -> "WSGIApplication":
    """The same application, told the client's own address, scheme and host where a trusted proxy reports them.

    trusted_proxies: addresses or networks. After this nothing of the X-Forwarded headers is left in the request, so
    that nobody further in believes what a client could have written itself.
    """
    networks = [ipaddress.ip_network(text) for text in trusted_proxies]

    def is_trusted(address: Address) -> bool:
        return any(address in network for network in networks)

    def told_of_the_client(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        peer = address_of(environ.get("REMOTE_ADDR", ""))
        if peer is not None and is_trusted(peer):
            _believe(environ, is_trusted)
        for name in (FOR, PROTO, HOST, *OTHERS):
            environ.pop(name, None)
        return application(environ, start_response)

    return told_of_the_client


def _believe(environ: "WSGIEnvironment", is_trusted: IsTrusted) -> None:
    client = client_of(environ.get(FOR, ""), is_trusted)
    if client is not None:
        environ["REMOTE_ADDR"] = str(client)
    scheme = _last(environ.get(PROTO, "")).lower()
    if scheme in ("http", "https"):
        environ["wsgi.url_scheme"] = scheme
    host = _last(environ.get(HOST, ""))
    if HOST_NAME.fullmatch(host):
        environ["HTTP_HOST"] = host


def client_of(forwarded_for: str, is_trusted: IsTrusted) -> Address | None:
    """The client in a list "client, proxy, proxy": the last address that is no trusted proxy; None: not told.

    Read from the right, for each proxy adds at the end who came to it; what stands further left the client may have
    invented. A list of trusted proxies alone begins with the client, who is one of them.
    """
    found: Address | None = None
    for text in reversed(forwarded_for.split(",")):
        address = address_of(text.strip())
        if address is None:
            break
        found = address
        if not is_trusted(address):
            break
    return found


def address_of(text: str) -> Address | None:
    """An address, written with a port or without; IPv4 inside IPv6 is IPv4. None for anything else."""
    with_port = WITH_PORT.fullmatch(text)
    if with_port is not None:
        text = with_port["six"] or with_port["four"]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _last(values: str) -> str:
    """What the nearest proxy said."""
    return values.rpartition(",")[2].strip()
