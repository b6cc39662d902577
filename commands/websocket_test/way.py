"""The first steps: is there a way to the server, is it trusted, is it ours, and do the clocks agree."""

import socket
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import perf_counter
from typing import Any, cast

from commands.websocket_test.findings import Broken, Passed
from commands.websocket_test.target import TIMEOUT_S, Answer, Target, ask
from realtime.pusher.signatures import TIMESTAMP_TOLERANCE_S

LOOPBACK = ("localhost", "127.0.0.1", "::1")
EXPIRES_SOON_DAYS = 14
DOUBTFUL_SKEW_S = 5.0
AS_TEXT = "%b %d %H:%M:%S %Y %Z"  # of a certificate's dates, see ssl.cert_time_to_seconds


def check_port(target: Target) -> Passed[None]:
    """Whether anything listens at the address."""
    started = perf_counter()
    try:
        socket.create_connection((target.host, target.port), TIMEOUT_S).close()
    except socket.gaierror as error:
        raise Broken(f"the name {target.host} is not found", "check the spelling and the name server") from error
    except TimeoutError as error:
        raise Broken(
            f"no answer from {target.host}:{target.port} in {TIMEOUT_S:g} s",
            "a firewall drops the packets, or the machine is off; open the port for this network",
        ) from error
    except OSError as error:
        raise Broken(
            f"nothing listens at {target.host}:{target.port} ({error.strerror})",
            "start the program or the proxy; check MONITOR_WEB_PORT, and that MONITOR_WEB_HOST lets others in",
        ) from error
    return Passed(f"open at {target.host}:{target.port} after {_ms(started)}", None)


def check_tls(target: Target, now: datetime) -> Passed[None]:
    """Whether browsers will trust the certificate, and for how long yet."""
    if not target.is_tls:
        is_local = target.host in LOOPBACK
        advice = "" if is_local else "serve over https://: passwords and readings go in clear text (deploy/nginx.conf)"
        return Passed(f"none, {target.scheme}://", None, advice)
    started = perf_counter()
    try:
        with (
            socket.create_connection((target.host, target.port), TIMEOUT_S) as plain,
            target.tls.wrap_socket(plain, server_hostname=target.host) as secure,
        ):
            measured = f"{secure.version()} after {_ms(started)}"
            certificate = cast("Mapping[str, Any]", secure.getpeercert())
    except ssl.SSLCertVerificationError as error:
        raise Broken(
            f"the certificate is not trusted ({error.verify_message})",
            "install one that browsers trust, with its whole chain and for this name; for one of your own "
            "authority set SSL_CERT_FILE to that authority's certificate",
        ) from error
    except ssl.SSLError as error:
        raise Broken(f"no TLS ({error.reason})", "this port may speak plain http://; check the listen lines") from error
    left = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC) - now
    advice = "renew the certificate" if left.days < EXPIRES_SOON_DAYS else ""
    return Passed(f"{measured}, the certificate is good for {left.days} days", None, advice)


def check_server(target: Target) -> Passed[Answer]:
    """Whether it is our program that answers."""
    answer = ask(target, "GET", "/healthz")
    if answer.status in (502, 503, 504):
        raise Broken(
            f"the proxy answers {answer.status}", "it can't reach the program: is it running, on the proxy's port?"
        )
    if answer.json().get("status") != "alive":
        raise Broken(
            f"/healthz answers {answer.status}: {answer.text[:60]!r}",
            "another program answers at this address; check the address and where the proxy sends it",
        )
    return Passed(f"answers in {answer.took_ms:.0f} ms", answer)


def check_clock(answer: Answer, clock: Callable[[], datetime]) -> Passed[float]:
    """How far the server's clock is ahead of ours, in seconds: what is signed carries the time."""
    try:
        server_at = parsedate_to_datetime(answer.headers["Date"])
    except (KeyError, TypeError, ValueError):
        return Passed("the server tells no time", 0.0, "have the proxy pass on the header Date")
    ahead_s = (server_at - clock()).total_seconds()
    side = "ahead of" if ahead_s > 0 else "behind"
    measured = f"the server is {abs(ahead_s):.0f} s {side} this machine"
    if abs(ahead_s) > TIMESTAMP_TOLERANCE_S:
        raise Broken(
            measured,
            f"set the clocks of both by NTP (timedatectl): requests signed more than {TIMESTAMP_TOLERANCE_S} s off "
            "are refused, and readings get wrong times",
        )
    if abs(ahead_s) > DOUBTFUL_SKEW_S:
        return Passed(measured, ahead_s, "set the clocks of both by NTP (timedatectl)")
    return Passed("agree within 2 s", ahead_s) if abs(ahead_s) <= 2 else Passed(measured, ahead_s)


def _ms(started: float) -> str:
    return f"{(perf_counter() - started) * 1000:.0f} ms"
