"""Backups, restores and moves in processes of their own, which get killed."""

import multiprocessing
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path

from models.backup import make_backup
from models.database import Database
from models.restoring import move, restore
from tests.models.full_store import unmoved

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tests.models.children", __name__])


def back_up(url: str, path: Path, now: datetime, begun: Connection) -> None:
    begun.send(True)
    database = Database(url)
    make_backup(database, path, now, "0.1", unmoved, replace=True)
    database.close()


def restore_over(path: Path, url: str, now: datetime, begun: Connection) -> None:
    begun.send(True)
    restore(path, url, now, unmoved, replace=True)


def carry_over(url: str, target_url: str, now: datetime, begun: Connection) -> None:
    begun.send(True)
    database = Database(url)
    move(database, target_url, now, unmoved)
    database.close()
