"""`gateway show`: how one gateway is, what its link is like, what it costs and what it does not give."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from commands.units_of_work import unit_of_work
from models import configuration
from models.data_usage import DataUsage, data_usage
from models.device_template import UnknownTemplate, template
from models.gateways import Device, Gateway
from models.link_quality import LinkQuality, link_quality
from models.link_settings import LinkSettings
from models.packet_cost import WITH_TIMESTAMPS  # RutOS and we are Linux, which uses them
from models.poll_tables import PointRefusal, SilentUnit
from poller.budget import budget
from poller.plan import GatewayPlan, plan_gateway
from poller.poll_error import EXCEPTION_WORDS
from poller.quarantine import NO_ANSWER
from settings import Settings

LINK_SPAN = timedelta(hours=1)
USAGE_SPAN = timedelta(hours=24)


@dataclass(frozen=True)
class Report:
    """What there is to say of a gateway."""

    gateway: Gateway
    plan: GatewayPlan
    quality: LinkQuality
    usage: DataUsage
    silences: dict[int, SilentUnit]  # by device
    refusals: list[PointRefusal]
    zone: ZoneInfo


@click.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line.")
@click.pass_obj
def show(settings: Settings, name: str, as_json: bool) -> None:
    """Show one gateway: its state, its link in the last hour, its data budget, and what does not answer."""
    with unit_of_work(settings) as session:
        report = report_of(session, configuration.find_gateway(session, name), datetime.now(UTC))
        for line in lines(report) if not as_json else [json.dumps(as_object(report))]:
            click.echo(line)


def report_of(session: Session, gateway: Gateway, now: datetime) -> Report:
    plan = plan_gateway(gateway)
    planned = budget(plan, WITH_TIMESTAMPS).bytes_per_month
    silences = session.scalars(select(SilentUnit).where(SilentUnit.device_id.in_([d.id for d in gateway.devices])))
    refusals = session.scalars(select(PointRefusal).where(PointRefusal.data_point_id.in_(plan.points)))
    return Report(
        gateway=gateway,
        plan=plan,
        quality=link_quality(session, now - LINK_SPAN, now).get(gateway.id, LinkQuality()),
        usage=data_usage(session, gateway, now - USAGE_SPAN, now, planned, WITH_TIMESTAMPS),
        silences={row.device_id: row for row in silences},
        refusals=list(refusals),
        zone=ZoneInfo(gateway.site.time_zone),
    )


def lines(report: Report) -> list[str]:
    """The report for people, times in the site's zone."""
    gateway = report.gateway
    units = {unit.device_id: unit for unit in report.plan.units}
    return [
        f"{gateway.name}  {gateway.host}:{gateway.port}  {_state(report)}",
        f"  last hour  {report.quality.words()}",
        f"  since ever {gateway.late_count:,} late, {gateway.lost_count:,} lost, {gateway.missed_count:,} polls missed",
        f"  time-outs  {_time_outs(gateway)}",
        f"  plan       {budget(report.plan, WITH_TIMESTAMPS).words()}",
        *(f"  data       {sentence}" for sentence in report.usage.words()),
        *(f"  unit {device.unit_id:<5} {_device(report, device)}" for device in gateway.devices),
        *(f"  problem    {unit.name}: {unit.problem}" for unit in units.values() if unit.problem),
        *(f"  refused    {_refusal(report, refusal)}" for refusal in report.refusals),
    ]


def as_object(report: Report) -> dict[str, Any]:
    """The report for programs; times as ISO 8601 in UTC."""
    gateway = report.gateway
    return {
        "name": gateway.name,
        "host": gateway.host,
        "port": gateway.port,
        "status": gateway.status.value,
        "reason": gateway.status_reason,
        "since": _iso(gateway.status_since_at),
        "latency_p95_ms": gateway.latency_p95_ms,
        "link": asdict(LinkSettings.of_gateway(gateway)),
        "last_hour": {"expected": report.quality.expected, **asdict(report.quality)},
        "plan": asdict(budget(report.plan, WITH_TIMESTAMPS)),
        "data": report.usage.words(),
        "silent_units": [
            {"unit": device.unit_id, "name": device.name, "since": _iso(found.since_at), "reason": found.reason}
            for device in gateway.devices
            if (found := report.silences.get(device.id)) is not None
        ],
        "problems": {unit.name: unit.problem for unit in report.plan.units if unit.problem},
        "refused_points": [
            {
                "device": report.plan.device_names[refusal.data_point_id],
                "point": report.plan.points[refusal.data_point_id].key,
                "exception": refusal.exception_code or None,
                "since": _iso(refusal.since_at),
                "retry": _iso(refusal.retry_at),
            }
            for refusal in report.refusals
        ],
    }


def _state(report: Report) -> str:
    since = report.gateway.status_since_at
    words = [report.gateway.status.value, *([f"since {_at(report, since)}"] if since is not None else [])]
    return " ".join(words) + (f" ({report.gateway.status_reason})" if report.gateway.status_reason else "")


def _time_outs(gateway: Gateway) -> str:
    latency = "not measured yet" if gateway.latency_p95_ms is None else f"p95 {gateway.latency_p95_ms:.0f} ms"
    rests = [
        f", {words}"
        for words, is_set in (
            (f"{gateway.connect_pause_s:g} s rest after connecting", gateway.connect_pause_s),
            (f"{gateway.request_gap_s:g} s between requests", gateway.request_gap_s),
            ("closed between polls", gateway.release_socket),
        )
        if is_set
    ]
    return (
        f"connect {gateway.connect_timeout_s:g} s, first request {gateway.first_timeout_s:g} s, then 4 round trips"
        f" ({latency}) between {gateway.shortest_timeout_s:g} and {gateway.longest_timeout_s:g} s" + "".join(rests)
    )


def _device(report: Report, device: Device) -> str:
    points = sum(point.enabled for point in device.data_points)
    words = f"{device.name}, {device.template}{_status(device)}, {points} points"
    silent = report.silences.get(device.id)
    return words if silent is None else f"{words}: silent since {_at(report, silent.since_at)}, {silent.reason}"


def _status(device: Device) -> str:
    try:
        return f" ({template(device.template).status})"
    except UnknownTemplate:
        return " (template missing)"


def _refusal(report: Report, refusal: PointRefusal) -> str:
    point = report.plan.points[refusal.data_point_id]
    code = refusal.exception_code
    answer = "no answer" if code == NO_ANSWER else f"exception {code} ({EXCEPTION_WORDS.get(code, 'unknown')})"
    return (
        f"{report.plan.device_names[point.id]}: {point.label}, {answer}"
        f" since {_at(report, refusal.since_at)}, asked again {_at(report, refusal.retry_at)}"
    )


def _at(report: Report, at: datetime) -> str:
    return at.astimezone(report.zone).strftime("%Y-%m-%d %H:%M")


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
