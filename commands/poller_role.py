"""`--role poller`: polling in the foreground, with the dashboard elsewhere."""

from commands.brokers import open_driver_beside, open_events
from models.database import Database
from models.schema import upgrade
from poller.standalone import run
from settings import Settings


def run_poller(settings: Settings) -> None:
    """Poll until a signal ends the program."""
    database = Database(settings.database_url)
    upgrade(database)
    broker = open_events(settings, database)
    driver = open_driver_beside(settings, broker)
    run(settings, broker, driver)
    driver.close()
    database.close()
