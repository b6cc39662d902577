"""How often sign-in may be tried: per name, per address, and apart from both for a browser that signed in before."""

import ipaddress
import math
import secrets
import time

from flask import Request, Response
from itsdangerous import BadSignature, URLSafeSerializer
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from models.users import LONGEST_NAME, fold

BROWSER_COOKIE = "monitor_browser"
BROWSER_COOKIE_LASTS_S = 366 * 86400


class SignInThrottle:
    """Counts tries in windows of one minute.

    Whoever tries a name all day uses up the tries of that name for strangers only. A browser that has signed in under
    the name before carries a signed cookie and has tries of its own, and a one-time link is never throttled, so nobody
    is locked out (OWASP: "Slow Down Online Guessing Attacks with Device Cookies").
    """

    def __init__(self, tries_per_minute: int, secret_key: str, *, secure_cookies: bool) -> None:
        self._limit = RateLimitItemPerMinute(tries_per_minute)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._browsers = URLSafeSerializer(secret_key, salt="known-browser")
        self._secure_cookies = secure_cookies

    def count_sign_in(self, request: Request, name: str) -> int:
        """Count a try to sign in under a name; 0 when it is allowed, else the seconds to wait."""
        browser = self._known_browser(request, name)
        if browser is not None:
            return self.count("browser", browser)
        return self.count("address", network(request.remote_addr)) or self.count("name", fold(name)[:LONGEST_NAME])

    def count(self, kind: str, key: str) -> int:
        """Count a try under a key; 0 when it is allowed, else the seconds to wait."""
        if self._limiter.hit(self._limit, kind, key):
            return 0
        window = self._limiter.get_window_stats(self._limit, kind, key)
        return max(1, math.ceil(window.reset_time - time.time()))

    def remember_browser(self, response: Response, name: str) -> None:
        """Give the browser that has just signed in tries of its own under this name."""
        response.set_cookie(
            BROWSER_COOKIE,
            self._browsers.dumps([fold(name), secrets.token_urlsafe(16)]),
            max_age=BROWSER_COOKIE_LASTS_S,
            secure=self._secure_cookies,
            httponly=True,
            samesite="Lax",
        )

    def _known_browser(self, request: Request, name: str) -> str | None:
        try:
            folded_name, browser = self._browsers.loads(request.cookies.get(BROWSER_COOKIE, ""))
        except BadSignature:
            return None
        return str(browser) if folded_name == fold(name) else None


def network(address: str | None) -> str:
    """The part of an address that one customer holds: all of IPv4, the first 64 bits of IPv6."""
    if address is None or ":" not in address:
        return address or "unknown"
    return str(ipaddress.ip_network((address.partition("%")[0], 64), strict=False))
