"""The tables of the page "Real time", as data: `realtime.js` writes them in the browser's locale."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from dashboard.close_words import meaning, what_follows
from dashboard.formats import Amount, count
from models.database import to_ms
from models.events import Severity

Facts = Mapping[str, Any]
Cell = str | dict[str, Any] | None  # words, an amount, {"at"}, {"severity", "word"}; None: no value

MOST_ROWS = 100
NOBODY = "Nobody is connected to this process."


def table(columns: Sequence[str], rows: Sequence[Sequence[Cell]], empty: str) -> dict[str, Any]:
    """empty: what is said in place of no rows."""
    return {"columns": columns, "rows": rows, "empty": empty}


def sockets_table(of: str, sockets: Mapping[str, int]) -> dict[str, Any]:
    """Who is connected: how many sockets each has, those with the most. of: what is counted by."""
    most_first = sorted(sockets.items(), key=lambda item: (-item[1], item[0]))[:MOST_ROWS]
    return table((of, "Sockets"), [(who, _count(number)) for who, number in most_first], NOBODY)


def closed_table(closed_by_code: Mapping[str, int]) -> dict[str, Any]:
    """Sockets closed since the start, by code."""
    most_first = sorted(closed_by_code.items(), key=lambda item: -item[1])
    rows = [(code, meaning(int(code)), what_follows(int(code)), _count(number)) for code, number in most_first]
    return table(("Code", "Why", "Then the client", "Sockets"), rows, "No socket has closed since the start.")


def refused_table(reasons: Mapping[str, int]) -> dict[str, Any]:
    """Handshakes refused since the start, by reason."""
    most_first = sorted(reasons.items(), key=lambda item: -item[1])
    rows = [(reason, _count(number)) for reason, number in most_first]
    return table(("Reason", "Handshakes"), rows, "None has been refused since the start.")


def browsers_table(pages: Sequence[Facts]) -> dict[str, Any]:
    """Each open page with its five fields, as it last reported them; those in trouble first."""
    rows = [
        (
            page["user"],
            page["address"],
            _state(page["connected"], "yes", "no"),
            _state(not page["should_use_fallback"], "no", "yes"),
            Amount(page["fallback_interval"], "s").json(),
            _count(page["recent_attempts"]),
            _moment(page["last_attempt"]),
            _moment(page["received_at"]),
        )
        for page in sorted(pages, key=lambda page: page["connected"] and not page["should_use_fallback"])
    ]
    columns = ("User", "Address", "Connected", "Polls", "Poll every", "Failed tries, 1 h", "Last try", "Reported")
    return table(columns, rows, "No page has reported itself in the last two minutes; open one to see it here.")


def publishers_table(broker: Facts, driver: Facts) -> dict[str, Any]:
    """Where events go: the broker between processes, and a driver that publishes elsewhere."""
    rows = [_publisher("broker", broker)]
    if "is_up" in driver:
        rows.append(_publisher(f"driver {driver['name']}", driver))
    columns = ("", "State", "Published", "Waiting", "Dropped", "Undelivered", "Lag", "Reconnects")
    return table(columns, rows, "")


def nodes_table(connections: int, others: Sequence[Facts]) -> dict[str, Any]:
    """The web processes that share a broker; how many sockets the others have is theirs to say."""
    rows: list[Sequence[Cell]] = [("this one", "now", _count(connections))]
    for other in others:
        heard = {"words": ["heard ", Amount(other["heard_s_ago"], "s").json(), " ago"]}
        rows.append((str(other["node"]), heard, None))
    return table(("Web process", "Seen", "Sockets"), rows, "")


def _publisher(name: str, health: Facts) -> Sequence[Cell]:
    where = str(health.get("url", "")).partition("://")[0]
    return (
        f"{name} ({where})" if where else name,
        _state(bool(health.get("is_up", True)), "up", "away", Severity.HIGH),
        *(_count(health.get(key)) for key in ("published", "queued", "dropped", "undelivered")),
        None if health.get("lag_ms") is None else Amount(health["lag_ms"], "ms", 1).json(),
        _count(health.get("reconnects")),
    )


def _state(is_well: bool, well: str, ill: str, severity: Severity = Severity.LOW) -> Cell:
    return well if is_well else {"severity": severity.value, "word": ill}


def _count(number: int | None) -> Cell:
    return None if number is None else count(number).json()


def _bytes(size: int) -> Cell:
    return Amount(size, "B").json() if size < 10_000 else Amount(size / 1000, "kB").json()


def _moment(at: str | None) -> Cell:
    """at: ISO 8601, as the report has it."""
    return None if at is None else {"at": to_ms(datetime.fromisoformat(at))}
