"""How answers leave the server: what a page may load and who may frame it; scripts and styles small and kept."""

import gzip
from collections.abc import Callable, Sequence
from functools import lru_cache

from flask import Flask, Response, request

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
CACHE_CONTROL = {"text/html": "no-cache", "application/json": "no-store"}  # a page that may not be stored is not kept
STATIC_PREFIXES = ("/assets/", "/_dash-component-suites/")
COMPRESSED_TYPES = ("text/javascript", "application/javascript", "text/css", "image/svg+xml")
KEPT_ANSWERS = 64


def register(server: Flask, inline_script_hashes: Callable[[], Sequence[str]]) -> None:
    """Add headers to every answer that has none of its own; compress scripts and styles and let browsers keep them.

    inline_script_hashes: asked once, at the first request, when all inline scripts are known.
    """
    kept_policy: list[str] = []

    @server.after_request
    def add_headers(response: Response) -> Response:
        if not kept_policy:
            kept_policy.append(content_security_policy(inline_script_hashes()))
        response.headers.setdefault("Content-Security-Policy", kept_policy[0])
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if response.mimetype in CACHE_CONTROL:
            response.headers.setdefault("Cache-Control", CACHE_CONTROL[response.mimetype])
        return response

    @server.after_request
    def compress(response: Response) -> Response:
        return _compressed(response) if _is_compressible(response) else response

    @server.after_request
    def keep(response: Response) -> Response:
        """An asset asked for by the time of its last change never changes under that address."""
        if request.path.startswith("/assets/") and "m" in request.args and response.status_code == 200:
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def content_security_policy(script_hashes: Sequence[str]) -> str:
    """Everything from our own origin, no inline script but the theme's and Dash's own; Plotly sets styles inline."""
    return "; ".join(
        (
            "default-src 'self'",
            " ".join(["script-src 'self'", *script_hashes]),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self'",
            "connect-src 'self'",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


def _is_compressible(response: Response) -> bool:
    return (
        request.path.startswith(STATIC_PREFIXES)
        and response.status_code == 200
        and response.mimetype in COMPRESSED_TYPES
        and response.content_encoding is None
        and bool(request.accept_encodings["gzip"])
    )


def _compressed(response: Response) -> Response:
    """The same answer, zipped; files change with their ETag or their address, so the work is done once."""
    response.direct_passthrough = False
    response.set_data(_zip(response.get_data()))
    response.content_encoding = "gzip"
    response.vary.add("Accept-Encoding")
    return response


@lru_cache(maxsize=KEPT_ANSWERS)
def _zip(body: bytes) -> bytes:
    return gzip.compress(body, compresslevel=6, mtime=0)
