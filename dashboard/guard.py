"""What strangers may ask for (only what is listed), where changes may come from, and the headers of answers."""

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from flask import Request, Response

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

# The routes that answer anybody, as they are written in the URL map. None of them holds data of the plant.
OPEN_RULES = frozenset(
    {
        "/sign-in",
        "/sign-in/<token>",
        "/healthz",
        "/readyz",
        "/assets/<path:filename>",
        "/_dash-component-suites/<string:package_name>/<path:fingerprinted_path>",
        "/_favicon.ico",
        "/app/<path:key>",  # a stranger's socket: only what somebody signs for it is told on it
    }
)
# Of the HTTP API for servers: each request is signed with the app's secret.
SIGNED_PREFIXES = ("/apps/", "/users/<user_id>/terminate_connections")
# Asked for by scripts and programs: a redirect to a page would be taken for data.
DATA_PREFIXES = (
    "/_",
    "/api/",
    "/app/",
    "/apps/",
    "/broadcasting/",
    "/history/export",
    "/live/",
    "/metrics",
    "/users/",
    "/ws",
)

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; font-src 'self'; "
    "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def is_open(request: Request) -> bool:
    """Does this route answer strangers?"""
    return request.url_rule is not None and (request.url_rule.rule in OPEN_RULES or is_signed(request))


def is_signed(request: Request) -> bool:
    """Is it a route that checks a signature of every request itself?"""
    return request.url_rule is not None and request.url_rule.rule.startswith(SIGNED_PREFIXES)


def is_nowhere(request: Request) -> bool:
    """Is it a script that would be given the shell of our pages, which is served wherever there is nothing else?"""
    is_shell = request.url_rule is not None and request.url_rule.rule == "/<path:path>"
    return is_shell and request.path.startswith(DATA_PREFIXES)


def is_page(request: Request) -> bool:
    """Is it a person who asks for a page, and not a script for data?"""
    is_upgrade = "upgrade" in request.headers.get("Connection", "").lower()
    return request.method in SAFE_METHODS and not is_upgrade and not request.path.startswith(DATA_PREFIXES)


def is_same_origin(request: Request, trusted_origins: Collection[str]) -> bool:
    """Does the request come from one of our own pages? Without Origin and Referer the answer is no.

    The host is compared and not the scheme: behind TLS that ends at a proxy the two differ.
    """
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        return False
    source = request.headers.get("Origin") or request.headers.get("Referer", "")
    try:
        parts = urlsplit(source)
    except ValueError:
        return False
    is_trusted = f"{parts.scheme}://{parts.netloc}" in {origin.rstrip("/") for origin in trusted_origins}
    return is_trusted or (parts.scheme in ("http", "https") and parts.netloc.lower() == request.host.lower())


def safe_next(target: str) -> str:
    """The target when it is a path of this site, else the overview.

    Browsers read a backslash as a slash and drop control characters: "/\\host" and "/<tab>/host" leave the site.
    """
    is_path = target.startswith("/") and not target.startswith("//")
    return target if is_path and target.isprintable() and "\\" not in target else "/"


def add_headers(response: Response) -> Response:
    """Set the headers of our own pages and refusals, each where none is set yet."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
