"""How a gateway's link is used: its time-outs, its rests and what it may cost; each a column of Gateway."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TypeAlias

from sqlalchemy.orm import Session

from models.events import EventKind, log_event
from models.gateways import Gateway, configuration_changed
from settings import Settings

LONGEST_S = 120.0

Value: TypeAlias = float | bool | None


class BadLink(Exception):
    """Link settings that can't be; the message names the setting and the remedy. Nothing was stored."""


@dataclass(frozen=True)
class LinkSettings:
    """Time-outs and rests in seconds; requests after the first wait four round trips, between shortest and longest."""

    connect_timeout_s: float = 10.0
    first_timeout_s: float = 5.0
    shortest_timeout_s: float = 1.5
    longest_timeout_s: float = 30.0
    connect_pause_s: float = 0.0
    request_gap_s: float = 0.0
    release_socket: bool = False
    data_budget_mb: float | None = None

    @classmethod
    def of(cls, settings: Settings) -> "LinkSettings":
        """Those of a new gateway."""
        return cls(
            connect_timeout_s=settings.connect_timeout_s,
            first_timeout_s=settings.first_timeout_s,
            shortest_timeout_s=settings.shortest_timeout_s,
            longest_timeout_s=settings.longest_timeout_s,
        ).checked()

    @classmethod
    def of_gateway(cls, gateway: Gateway) -> "LinkSettings":
        return cls(**{name: getattr(gateway, name) for name in asdict(cls())})

    def checked(self) -> "LinkSettings":
        """Itself; raises BadLink when a value is out of reason."""
        for name in ("connect_timeout_s", "first_timeout_s", "shortest_timeout_s", "longest_timeout_s"):
            if not 0 < getattr(self, name) <= LONGEST_S:
                raise BadLink(f"{_words(name)} is more than 0 and at most {LONGEST_S:g}, not {getattr(self, name):g}")
        for name in ("connect_pause_s", "request_gap_s"):
            if not 0 <= getattr(self, name) <= LONGEST_S:
                raise BadLink(f"{_words(name)} is 0 to {LONGEST_S:g}, not {getattr(self, name):g}")
        if self.shortest_timeout_s > self.longest_timeout_s:
            raise BadLink(
                f"the shortest time-out, {self.shortest_timeout_s:g} s, is above the longest,"
                f" {self.longest_timeout_s:g} s; give both"
            )
        if self.data_budget_mb is not None and not self.data_budget_mb > 0:
            raise BadLink(f"a data budget is more than 0 MB a month, not {self.data_budget_mb:g}; 'none' ends it")
        return self


def set_link(session: Session, gateway: Gateway, changes: Mapping[str, Value], now: datetime) -> None:
    """Change some of a gateway's link settings, by name; raises BadLink."""
    before = LinkSettings.of_gateway(gateway)
    after = replace(before, **changes).checked()  # type: ignore[arg-type]  # the names say which is which
    old, new = asdict(before), asdict(after)
    told = [f"{_words(name)} {_said(old[name])} → {_said(new[name])}" for name in new if new[name] != old[name]]
    if not told:
        return
    for name, value in new.items():
        setattr(gateway, name, value)
    log_event(
        session,
        at=now,
        kind=EventKind.GATEWAY_CHANGED,
        gateway_id=gateway.id,
        text="link changed",
        reason=", ".join(told),
    )
    configuration_changed(session)


def _words(name: str) -> str:
    return name.removesuffix("_s").removesuffix("_mb").replace("_", " ")


def _said(value: Value) -> str:
    if value is None:
        return "none"
    return ("yes" if value else "no") if isinstance(value, bool) else f"{value:g}"
