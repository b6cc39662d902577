"""How people come in: a browser with a session, a program with a token."""

import requests

from tests.interoperability.pusher.station import Station


def session_of(station: Station, name: str) -> requests.Session:
    """A browser that somebody has signed in with."""
    session = requests.Session()
    session.get(station.sign_in_link(name), allow_redirects=False, timeout=20)
    return session


def bearer(station: Station, name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {station.tokens[name]}"}


def csrf_token(session: requests.Session, station: Station) -> str:
    """The token in the team's page."""
    text = session.get(f"{station.url}/team/echo.html", timeout=20).text
    return text.partition('name="csrf-token" content="')[2].partition('"')[0]
