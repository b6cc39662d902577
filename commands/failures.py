"""What can go wrong with a command through no fault of the program."""

from models.backup import BackupFailed
from models.backup_file import BadBackup
from models.configuration import BadConfiguration
from models.database import DatabaseUnusable
from models.device_template import BadTemplate, UnknownTemplate
from models.link_settings import BadLink
from models.reports import BadMonth
from models.restoring import RestoreFailed
from models.tariff_terms import BadTariff
from models.users import BadUser
from models.writes import BadWrite
from poller.demo_plant import UnknownGateway
from poller.faults import ControlFailed
from poller.question import BadQuestion
from realtime.serving import CannotListen
from settings import BadSettings

FORESEEN = (
    BackupFailed,
    BadBackup,
    BadConfiguration,
    BadLink,
    BadMonth,
    BadQuestion,
    BadSettings,
    BadTariff,
    BadTemplate,
    BadUser,
    BadWrite,
    CannotListen,
    ControlFailed,
    DatabaseUnusable,
    RestoreFailed,
    UnknownGateway,
    UnknownTemplate,
)
