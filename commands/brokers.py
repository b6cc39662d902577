"""The broker and the driver of the settings, opened with what they need of the rest of the program."""

from models.database import Database
from models.outbox import Outbox
from realtime.broker import Broker, open_broker
from realtime.pusher.driver import Driver, open_driver
from settings import Settings


def open_events(settings: Settings, database: Database) -> Broker:
    """Where this process publishes events, and hears those of the others. database: for `postgresql://`."""
    return open_broker(settings.broker_url, keep_s=settings.ring_s, outbox=Outbox(database))


def open_driver_beside(settings: Settings, broker: Broker) -> Driver:
    """Where the events of the poller go; what is to go through an outbox is in it before it comes here."""
    in_outbox = settings.broker_url.startswith("postgresql")
    return open_driver(settings, (lambda events: None) if in_outbox else broker.publish)
