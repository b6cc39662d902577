"""What is believed of the headers that a proxy adds, and of the same headers when a client invents them."""

from typing import Any

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from realtime.proxies import address_of, behind

TRUSTED = ["127.0.0.1", "10.0.0.0/8", "::1"]


def seen(peer: str, headers: dict[str, str], trusted: list[str] = TRUSTED) -> dict[str, Any]:
    """The request as the application sees it."""
    found: dict[str, Any] = {}

    def application(environ: Any, start_response: Any) -> list[bytes]:
        found.update(environ)
        start_response("200 OK", [])
        return []

    builder = EnvironBuilder(
        base_url="http://inner:8051/", headers=[*headers.items()], environ_base={"REMOTE_ADDR": peer}
    )
    run_wsgi_app(behind(application, trusted), builder.get_environ())
    return found


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "203.0.113.7, 10.0.0.2", "203.0.113.7"),
        ("127.0.0.1", "8.8.8.8, 203.0.113.7, 10.0.0.2", "203.0.113.7"),
        ("127.0.0.1", "10.0.0.9, 10.0.0.2", "10.0.0.9"),
        ("127.0.0.1", "203.0.113.7:51234", "203.0.113.7"),
        ("127.0.0.1", "[2001:db8::7]:443", "2001:db8::7"),
        ("127.0.0.1", "2001:db8::7", "2001:db8::7"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.7, nonsense, 10.0.0.2", "10.0.0.2"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("::ffff:10.0.0.2", "203.0.113.7", "203.0.113.7"),
        ("203.0.113.9", "10.0.0.1", "203.0.113.9"),
        ("", "203.0.113.7", ""),
    ],
    ids=[
        "one proxy",
        "two proxies",
        "an invented one further left",
        "a client inside",
        "with a port",
        "IPv6 with a port",
        "IPv6",
        "nonsense",
        "nonsense between",
        "not told",
        "IPv4 inside IPv6",
        "an untrusted peer",
        "no peer address",
    ],
)
def test_the_client_is_the_last_address_that_is_no_trusted_proxy(peer: str, forwarded_for: str, client: str) -> None:
    assert seen(peer, {"X-Forwarded-For": forwarded_for})["REMOTE_ADDR"] == client


def test_a_trusted_proxy_tells_scheme_and_host() -> None:
    told = seen("10.1.2.3", {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "plant.example:8443"})
    assert (told["wsgi.url_scheme"], told["HTTP_HOST"]) == ("https", "plant.example:8443")


def test_a_client_that_invents_the_headers_changes_nothing() -> None:
    invented = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example", "X-Forwarded-For": "127.0.0.1"}
    told = seen("203.0.113.9", invented)
    assert (told["wsgi.url_scheme"], told["HTTP_HOST"], told["REMOTE_ADDR"]) == ("http", "inner:8051", "203.0.113.9")


@pytest.mark.parametrize("trusted", [TRUSTED, []])
def test_nobody_further_in_sees_the_headers(trusted: list[str]) -> None:
    names = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "Forwarded", "X-Real-IP")
    told = seen("127.0.0.1", dict.fromkeys(names, "1.2.3.4"), trusted)
    assert [name for name in told if "FORWARDED" in name or "REAL_IP" in name] == []


@pytest.mark.parametrize(
    "headers",
    [{"X-Forwarded-Proto": "javascript"}, {"X-Forwarded-Host": "evil.example/@plant"}, {"X-Forwarded-Host": "a b"}],
)
def test_nonsense_of_a_trusted_proxy_is_left_aside(headers: dict[str, str]) -> None:
    told = seen("127.0.0.1", headers)
    assert (told["wsgi.url_scheme"], told["HTTP_HOST"]) == ("http", "inner:8051")


@pytest.mark.parametrize("text", ["", "unknown", "1.2.3", "1.2.3.4.5:80", "[::1", "1.2.3.4:port", "_hidden"])
def test_what_is_no_address_is_none(text: str) -> None:
    assert address_of(text) is None
