"""What the server says of itself: who we are to it, the driver, the broker, what is not ready, how pages do."""

from collections.abc import Mapping
from typing import Any

from commands.websocket_test.findings import Broken, Passed
from commands.websocket_test.target import Target, ask

SOCKETLESS = {"log": "events go to the log", "null": "events go nowhere"}


def check_user(target: Target) -> Passed[Mapping[str, Any]]:
    """Whether the token lets us in; the value is the server's account of its health."""
    answer = ask(target, "GET", "/api/health", headers=target.identity)
    if answer.status in (401, 403):
        raise Broken(
            f"the token is refused ({answer.status})",
            "make one on that server, python app.py token create NAME --role viewer, and give it as --token; one that "
            "is made here works only with the same database",
        )
    if answer.status != 200:
        raise Broken(f"/api/health answers {answer.status}: {answer.text}", "see the program's log")
    return Passed("signed in by token", answer.json())


def check_driver(health: Mapping[str, Any], expected: str) -> Passed[str]:
    """Which driver is in force, and whether it can publish. expected: by the settings here."""
    driver = health.get("driver", {})
    name = str(driver.get("name", expected))
    if name in SOCKETLESS:
        return Passed(
            f"{name}: {SOCKETLESS[name]}", name, "no sockets, pages poll; for live pages set BROADCAST_DRIVER=hub"
        )
    if driver.get("is_up") is False:
        raise Broken(
            f"{name}: can't publish ({driver.get('reason') or 'no answer'})",
            "check PUSHER_HOST, PUSHER_PORT, PUSHER_SCHEME and the credentials",
        )
    return Passed(name, name)


def check_broker(health: Mapping[str, Any]) -> Passed[None]:
    """Whether events reach all processes."""
    broker = health.get("broker", {})
    url = broker.get("url", "broker")
    if broker.get("is_up") is False:
        raise Broken(
            f"{url} is down ({broker.get('reason') or 'no answer'})",
            "start it, or correct MONITOR_BROKER_URL; until then events reach only the clients of the process that "
            "publishes them, and pages poll",
        )
    lost = broker.get("dropped", 0)
    advice = "events were dropped from a full queue: the broker is too slow or was away for long" if lost else ""
    parts = [f"{url} up", f"{broker.get('published', 0)} published", f"{lost} dropped"]
    if broker.get("lag_ms") is not None:
        parts.append(f"{broker['lag_ms']:.0f} ms behind")
    return Passed(", ".join(parts), None, advice)


def check_ready(target: Target) -> Passed[None]:
    """Whether database, hub and poller do what they should."""
    answer = ask(target, "GET", "/readyz")
    told = answer.json()
    reasons = told.get("reasons") or {}
    said = "; ".join(f"{part}: {why}" for part, why in reasons.items())
    if answer.status != 200:
        raise Broken(said or f"/readyz answers {answer.status}", "see the program's log for the part that is named")
    return Passed(said or str(told.get("status", "ready")), None, "see the program's log" if said else "")


def check_fallback(target: Target, health: Mapping[str, Any]) -> Passed[None]:
    """Whether a page without a socket gets its values by asking, and how many have to."""
    answer = ask(target, "GET", "/live/snapshot", headers={**target.identity, "Accept-Encoding": "identity"})
    if answer.status != 200:
        raise Broken(
            f"/live/snapshot answers {answer.status}", "pages without a socket show nothing; see the program's log"
        )
    readings = len(answer.json().get("readings", ()))
    browsers = health.get("browsers", {})
    measured = f"polling gets {readings} values in {answer.took_ms:.0f} ms, every 5, 10 or 30 s"
    if "should_use_fallback" not in browsers:
        return Passed(measured, None)
    return Passed(f"{measured}; {_pages(browsers)}", None)


def _pages(browsers: Mapping[str, Any]) -> str:
    return f"{browsers.get('connected', 0)} pages are live now, {browsers['should_use_fallback']} poll"
