"""Carries out stored writes between polls, on the connection of the gateway's own poller: once each, or not at all."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from models.approved_writes import ApprovedWrite, OpenWrite, drop_write, finish_write, is_late, open_writes, take_write
from models.database import Database
from models.device_template import ReadLimits
from models.writes import WriteResult, WriteState
from poller.modbus import Connection
from poller.plan import GatewayPlan
from poller.steady_clock import utc_now
from poller.write_value import write_value

logger = logging.getLogger(__name__)

PATIENCE_S = 0.3  # with the wire and with the database, when the poller ends
ENDED = "the poller ended in the middle of it; it may be written or not, and it is not repeated"


@dataclass(frozen=True, slots=True)
class _Running:
    """A write that is being carried out, or whose result is not stored yet."""

    approved: ApprovedWrite
    work: "asyncio.Task[WriteResult]"

    def result(self) -> WriteResult:
        name = self.approved.point_name
        if self.work.cancelled():
            return WriteResult(WriteState.FAILED, f"{name}: {ENDED}")
        error = self.work.exception()
        if error is not None:
            logger.error("write %d: failed", self.approved.request_id, exc_info=error)
            return WriteResult(WriteState.FAILED, f"{name}: an error of this program ({error!r}); look at the device")
        return self.work.result()


class PendingWrites:
    """The writes of the gateways that this process polls, one at a time for each gateway.

    link_to: a gateway's plan and connection by its id; None for one that is not polled here. The connection's lock puts
    the requests of a write between those of a poll. A gateway that does not answer delays no other.
    clock: the system's, by which writes are asked for, not the one that readings are stamped with.
    """

    def __init__(
        self,
        database: Database,
        link_to: Callable[[int], tuple[GatewayPlan, Connection] | None],
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database = database
        self._link_to = link_to
        self._clock = clock
        self._running: dict[int, _Running] = {}  # by gateway

    async def carry_out(self) -> int:
        """Store what has ended, begin what waits and return how many; never waits for the wire.

        Raises SQLAlchemyError; the next call goes on where this one ended.
        """
        await self._store_ended()
        waiting, dead = self._sorted(await asyncio.to_thread(self._open))
        if dead:
            await asyncio.to_thread(self._drop, dead)
        begun = 0
        for write in waiting:
            begun += await self._begin(write)
        return begun

    async def _begin(self, write: OpenWrite) -> bool:
        """Take a write and set about it, unless its gateway is busy with another, or not polled here."""
        link = self._link_to(write.gateway_id)
        if link is None or write.gateway_id in self._running:
            return False
        approved = await asyncio.to_thread(self._take, write.id)
        if approved is None:
            return False
        plan, connection = link
        work = asyncio.create_task(write_value(connection, approved, _limits(plan, approved.unit_id), self._clock))
        self._running[write.gateway_id] = _Running(approved, work)
        return True

    def _sorted(self, found: list[OpenWrite]) -> tuple[list[OpenWrite], list[OpenWrite]]:
        """Writes that wait, and those to be dropped: too late, or taken by a poller that was killed since."""
        ours = {running.approved.request_id for running in self._running.values()}
        waiting: list[OpenWrite] = []
        dead: list[OpenWrite] = []
        for write in found:
            if write.state is WriteState.REQUESTED:
                (dead if is_late(write.requested_at, self._clock()) else waiting).append(write)
            elif write.id not in ours and self._link_to(write.gateway_id) is not None:
                dead.append(write)
        return waiting, dead

    @property
    def count(self) -> int:
        """Writes that are being carried out, or whose result is not stored yet."""
        return len(self._running)

    async def close(self) -> None:
        """Give the writes in flight a moment, end them, and store how they ended.

        What can't be stored in time is found by the next poller, which lets it fail.
        """
        works = [running.work for running in self._running.values()]
        if not works:
            return
        await asyncio.wait(works, timeout=PATIENCE_S)
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._store_ended()
        except (SQLAlchemyError, TimeoutError) as error:
            logger.warning("writes: cannot store how the last ones ended (%s)", error)

    async def _store_ended(self) -> None:
        for gateway_id, running in list(self._running.items()):
            if running.work.done():
                await asyncio.to_thread(self._finish, running)
                del self._running[gateway_id]

    def _open(self) -> list[OpenWrite]:
        with self._database.read() as session:
            return open_writes(session)

    def _drop(self, dead: list[OpenWrite]) -> None:
        with self._database.write() as session:
            for write in dead:
                drop_write(session, write.id, self._clock())

    def _take(self, request_id: int) -> ApprovedWrite | None:
        with self._database.write() as session:
            return take_write(session, request_id, self._clock())

    def _finish(self, running: _Running) -> None:
        with self._database.write() as session:
            finish_write(session, running.approved, running.result(), self._clock())


def _limits(plan: GatewayPlan, unit_id: int) -> ReadLimits:
    """What the unit's template allows; a unit that came after the plan has those of Modbus."""
    return next((unit.limits for unit in plan.units if unit.unit_id == unit_id), ReadLimits())
