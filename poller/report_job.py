"""Makes the monthly reports that are due, in a process of its own: drawing them in the poller's would hold up polls."""

import logging
import subprocess
import sys
from datetime import datetime

from models.database import Database
from models.report_making import due_reports, make_due_reports
from poller.child import child_environment
from settings import Settings

logger = logging.getLogger(__name__)

PATIENCE_S = 600.0


def start_if_due(database: Database, settings: Settings, now: datetime) -> None:
    """Make what is due and wait for it; nothing is started when nothing is. A failure is logged and tried again."""
    if not due_reports(database, now):
        return
    command = [sys.executable, "-m", "poller.report_job", now.isoformat()]
    try:
        done = subprocess.run(command, env=child_environment(settings), timeout=PATIENCE_S)  # noqa: S603 (our own)
    except subprocess.TimeoutExpired:
        logger.warning("monthly report: not ready after %.0f s, given up; tried again in an hour", PATIENCE_S)
        return
    if done.returncode:
        logger.warning("monthly report: could not be made (exit code %d); tried again in an hour", done.returncode)


def main(now: datetime) -> None:
    settings = Settings.load()
    settings.start_logging()
    database = Database(settings.database_url)
    try:
        for report in make_due_reports(database, now):
            logger.info("monthly report: %s is ready, version %d", report.month, report.version)
    finally:
        database.close()


if __name__ == "__main__":
    main(datetime.fromisoformat(sys.argv[1]))
