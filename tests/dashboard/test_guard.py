"""Where changes may come from, and where a sign-in may lead."""

import pytest
from flask import Request, Response
from werkzeug.test import EnvironBuilder

from dashboard.guard import add_headers, is_same_origin, safe_next

TRUSTED = ["https://plant.example/", "http://10.0.0.5:8050"]


def request_with(**headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(
        EnvironBuilder(method="POST", base_url="http://gateways.plant:8050", headers=list(named.items())).get_environ()
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://gateways.plant:8050"},
        {"Origin": "http://Gateways.Plant:8050"},
        {"Origin": "https://gateways.plant:8050"},  # TLS ends at a proxy
        {"Origin": "https://plant.example"},
        {"Origin": "http://10.0.0.5:8050", "Sec-Fetch-Site": "same-origin"},
        {"Referer": "http://gateways.plant:8050/account"},
    ],
    ids=str,
)
def test_our_own_pages_may_change_things(headers: dict[str, str]) -> None:
    assert is_same_origin(request_with(**headers), TRUSTED)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://gateways.plant"},
        {"Origin": "http://gateways.plant:8051"},
        {"Origin": "http://plant.example"},  # trusted with https only
        {"Origin": "http://gateways.plant:8050.evil.example"},
        {"Origin": "http://gateways.plant:8050@evil.example"},
        {"Origin": "http://["},
        {"Origin": "http://evil.example", "Referer": "http://gateways.plant:8050/"},
        {"Origin": "null", "Referer": "http://gateways.plant:8050/"},
        {"Origin": "http://gateways.plant:8050", "Sec-Fetch-Site": "cross-site"},
        {"Referer": "http://evil.example/http://gateways.plant:8050/"},
        {"Referer": "gateways.plant:8050"},
    ],
    ids=str,
)
def test_nobody_else_may(headers: dict[str, str]) -> None:
    assert not is_same_origin(request_with(**headers), TRUSTED)


@pytest.mark.parametrize("target", ["/", "/gateways/3", "/history?points=1,2&from=x", "/wall/Halle%20ü"])
def test_a_sign_in_leads_to_a_page_of_the_site(target: str) -> None:
    assert safe_next(target) == target


@pytest.mark.parametrize(
    "target",
    [
        "",
        "gateways",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "/x\r\nSet-Cookie: a=b",
        "https://evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        " //evil.example",
    ],
    ids=repr,
)
def test_a_sign_in_cannot_lead_off_the_site(target: str) -> None:
    assert safe_next(target) == "/"


def test_headers_that_are_set_already_are_kept() -> None:
    answer = add_headers(Response(headers={"Referrer-Policy": "no-referrer"}))
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
