"""Before anything runs: the database up to date, a site in it, and a way in for an admin."""

from datetime import UTC, datetime

import click

from models.database import Database
from models.schema import upgrade
from settings import Settings


def prepare(settings: Settings, *, demo: bool) -> str | None:
    """Bring the database up to date and give it a site and an admin; the token of the admin's link, if one is due."""
    database = Database(settings.database_url)
    upgrade(database)
    try:
        return _prepare_demo(database, settings) if demo else _prepare_site(database, settings)
    finally:
        database.close()


def _prepare_site(database: Database, settings: Settings) -> str | None:
    from models import configuration, users

    with database.write() as session:
        configuration.first_site(session, settings.site_name, settings.site_time_zone)
        return users.first_admin(session, datetime.now(UTC))


def _prepare_demo(database: Database, settings: Settings) -> str | None:
    """The simulated plant, with a day of history at its first start."""
    from sqlalchemy import select

    from models import users
    from models.gateways import Site
    from poller.demo import add_demo_site, seed_history

    now = datetime.now(UTC)
    with database.write() as session:
        is_first_start = session.scalars(select(Site.id)).first() is None
        token = users.first_admin(session, now)
    add_demo_site(database, settings)
    if is_first_start:
        with database.read() as session:
            site = session.scalars(select(Site)).one()
        seed_history(database, site, now, progress=click.echo)
    return token
