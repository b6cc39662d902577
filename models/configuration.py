"""Edits of what is polled; each is one unit of work that tells the poller in the same transaction."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from difflib import get_close_matches

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.device_template import new_device, template
from models.events import EventKind, log_event
from models.gateways import Gateway, Site, configuration_changed
from models.link_settings import LinkSettings

SHORTEST_INTERVAL_S = 0.2
HOST = re.compile(r"[\w.-]+|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.%\w]*")  # a name, IPv4, or IPv6


class BadConfiguration(Exception):
    """An edit that can't be; the message names the thing and the remedy. Nothing was stored."""


@dataclass(frozen=True)
class NewDevice:
    """A unit to be polled behind a gateway."""

    unit_id: int
    template: str
    name: str

    @classmethod
    def parse(cls, text: str) -> "NewDevice":
        """From UNIT:TEMPLATE[:NAME], as on the command line."""
        unit, _, rest = text.partition(":")
        template_key, _, name = rest.partition(":")
        if not unit.isdigit() or not template_key:
            raise BadConfiguration(f'"{text}" is no device; write UNIT:TEMPLATE[:NAME], such as 2:eastron-sdm630:Main')
        return cls(int(unit), template_key, name or f"{template(template_key).model} {unit}")


def first_site(session: Session, name: str, time_zone: str) -> Site:
    """The site; made with this name and time zone when there is none yet."""
    site = session.scalars(select(Site).order_by(Site.id)).first()
    if site is None:
        site = Site(name=name, time_zone=time_zone)
        session.add(site)
        session.flush()
    return site


def find_gateway(session: Session, name: str) -> Gateway:
    """The gateway of this name; raises BadConfiguration that names the nearest ones."""
    names = {gateway.name.casefold(): gateway for gateway in session.scalars(select(Gateway))}
    if name.casefold() in names:
        return names[name.casefold()]
    close = get_close_matches(name.casefold(), names, n=3)
    hint = (
        f"did you mean {', '.join(names[key].name for key in close)}?" if close else "see: python app.py gateway list"
    )
    raise BadConfiguration(f'there is no gateway "{name}"; {hint}')


def add_gateway(
    session: Session,
    site: Site,
    *,
    name: str,
    host: str,
    port: int,
    area: str,
    poll_interval_s: float,
    link: LinkSettings,
    devices: Sequence[NewDevice],
    now: datetime,
) -> Gateway:
    """Add a gateway with its devices; it is polled within a second."""
    _check_line(session, name, host, port)
    _check_interval(poll_interval_s)
    units = [device.unit_id for device in devices]
    if not units:
        raise BadConfiguration(f'gateway "{name}" has no device to read; give at least one')
    if len(set(units)) != len(units) or not all(0 <= unit <= 255 for unit in units):
        raise BadConfiguration(f'gateway "{name}": unit ids are 0 to 255, each once; these are {units}')
    gateway = Gateway(
        site=site,
        name=name,
        area=area,
        host=host,
        port=port,
        poll_interval_s=poll_interval_s,
        **asdict(link),
        devices=[new_device(device.template, device.unit_id, device.name) for device in devices],
    )
    session.add(gateway)
    session.flush()
    _tell(session, gateway, EventKind.GATEWAY_ADDED, f"added, {host}:{port}, {len(devices)} devices", now)
    return gateway


def set_enabled(session: Session, gateway: Gateway, enabled: bool, now: datetime) -> None:
    """Pause or resume polling; a resumed gateway is judged by its polls from now on."""
    if gateway.enabled == enabled:
        return
    gateway.enabled = enabled
    gateway.recent_outcomes = ""
    _tell(session, gateway, EventKind.GATEWAY_CHANGED, "resumed" if enabled else "paused", now)


def set_poll_interval(session: Session, gateway: Gateway, poll_interval_s: float, now: datetime) -> None:
    _check_interval(poll_interval_s)
    before_s, gateway.poll_interval_s = gateway.poll_interval_s, poll_interval_s
    _tell(session, gateway, EventKind.GATEWAY_CHANGED, f"poll interval {before_s:g} s → {poll_interval_s:g} s", now)


def set_address(session: Session, gateway: Gateway, host: str, port: int, now: datetime) -> None:
    if (host, port) == (gateway.host, gateway.port):
        return
    _check_line(session, None, host, port)
    before = f"{gateway.host}:{gateway.port}"
    gateway.host, gateway.port = host, port
    _tell(session, gateway, EventKind.GATEWAY_CHANGED, f"address {before} → {host}:{port}", now)


def _tell(session: Session, gateway: Gateway, kind: EventKind, text: str, now: datetime) -> None:
    log_event(session, at=now, kind=kind, gateway_id=gateway.id, text=text)
    configuration_changed(session)


def _check_interval(poll_interval_s: float) -> None:
    if not SHORTEST_INTERVAL_S <= poll_interval_s <= 86_400:
        raise BadConfiguration(f"a poll interval is {SHORTEST_INTERVAL_S:g} to 86400 seconds, not {poll_interval_s:g}")


def _check_line(session: Session, name: str | None, host: str, port: int) -> None:
    if not HOST.fullmatch(host):
        raise BadConfiguration(f"{host!r} is no host; give a name or an address, and its port with --port")
    if not 1 <= port <= 65_535:
        raise BadConfiguration(f"a port is 1 to 65535, not {port}")
    for gateway in session.scalars(select(Gateway)):
        if name is not None and gateway.name.casefold() == name.casefold():
            raise BadConfiguration(f'there is a gateway "{gateway.name}" already; choose another name')
        if (gateway.host, gateway.port) == (host, port):
            raise BadConfiguration(f'gateway "{gateway.name}" polls {host}:{port} already; add devices to it instead')
