"""The search for the register that a device refuses, in requests left over from a poll, and the daily second chance."""

from collections import deque
from contextlib import suppress

from poller.link import UnitLink
from poller.quarantine import NO_ANSWER, Outage
from poller.reads import POLLS_BEFORE_LASTING, Read
from poller.unit_poll import Over, UnitPoll

PERMANENT = (1, 2, 3)  # illegal function, address, value: it will not be there tomorrow; the others may pass
REQUESTS_OF_A_SPLIT = 2


async def find_lifeline(work: UnitPoll) -> None:
    """Every block was refused: look for a point that can be read alone, for then the device is the right one.

    Without one the unit refuses everything (a wrong template, a device that fails), and no point is to blame.
    """
    if work.has_data or not work.refused or work.one.silence.is_on:
        return
    for data_point_id in _candidates(work):
        if not work.gathered.extra_requests:
            return
        work.gathered.extra_requests -= 1
        await _ask_alone(work, data_point_id)
        if work.has_data:
            work.one.lifeline = data_point_id
            return


async def probe_alone(work: UnitPoll) -> None:
    """One point alone, another each time, of a unit whose blocks are of no use as a probe; raises Over.

    They were all refused, or never read, or have been asked in vain lately: a register in them may be at fault.
    """
    one = work.one
    points = one.reads.points() if _blocks_are_in_doubt(one, work.link.outage) else []
    if not points:
        return
    one.probes += 1
    data_point_id = points[one.probes % len(points)].id
    await _ask_alone(work, data_point_id)
    if not work.has_data:
        raise Over
    one.lifeline = data_point_id


async def hold_on_to_lifeline(work: UnitPoll) -> None:
    """Where no block is read at the moment, the point that was read alone shows that the unit lives; raises Over."""
    one = work.one
    is_read = any(read.has_answered and not read.failures for read in one.reads.all)
    if one.lifeline is not None and not (is_read or work.has_data or one.silence.is_on):
        await _ask_alone(work, one.lifeline)


def _blocks_are_in_doubt(one: UnitLink, outage: Outage) -> bool:
    """Of a unit that is asked by a probe; every other probe of one that was read before is for a point alone."""
    failures = one.silence.failures if one.silence.is_on else outage.failures
    was_read = any(read.has_answered for read in one.reads.all)
    is_probed = one.silence.is_on or outage.is_lasting
    return is_probed and (one.refuses or not was_read or failures % 2 == 0)


async def search(work: UnitPoll) -> None:
    """Split what the device refuses until each bad value stands alone, as far as the requests go; raises Over."""
    if not work.has_data:
        return
    for read, _ in work.refused:
        read.failures += 1
    pending = deque(work.refused)
    while pending:
        read, code = pending.popleft()
        if code in PERMANENT or read.is_lasting:
            pending += await _narrowed(work, read, code)


async def _narrowed(work: UnitPoll, read: Read, code: int) -> list[tuple[Read, int]]:
    """Ask for the halves of a refused read; returns those that are refused again."""
    if not _is_single(read) and work.gathered.extra_requests < REQUESTS_OF_A_SPLIT:
        return []  # the next poll goes on
    pieces = work.one.reads.split(read)
    if not pieces and await _is_refused_again(work, read, code):
        _leave_out(work, read, code)
    refused = []
    for piece in pieces:
        work.gathered.extra_requests -= 1
        its_code = await work.ask(piece, is_extra=True)
        if its_code is not None:
            refused.append((piece, its_code))
    return refused


async def _is_refused_again(work: UnitPoll, read: Read, code: int) -> bool:
    """A point that was asked for once in this poll is asked for once more: it will be left out for a day."""
    was_asked_once = any(read is one for one, _ in work.refused) and code in PERMANENT
    if not was_asked_once or not work.gathered.extra_requests:
        return True
    work.gathered.extra_requests -= 1
    return await work.ask(read, is_extra=True) is not None


async def suspect(work: UnitPoll) -> None:
    """A block that is met with silence in poll after poll while others are read is narrowed down too.

    Each ask may cost a whole time-out, so its halves are asked for one by one and with pauses. Before the block is
    blamed, another is asked for again: the link may have died between the two.
    """
    read, reads = work.silent_read, work.one.reads
    if read is None or read not in reads.all:
        return
    if read.failures + 1 >= POLLS_BEFORE_LASTING and not await work.still_answers():
        return
    read.failures += 1
    if not read.is_lasting:
        return
    pieces = reads.split(read)
    if not pieces:
        _leave_out(work, read, NO_ANSWER)
    for number, piece in enumerate(pieces, start=1):
        piece.failures = POLLS_BEFORE_LASTING - 1
        piece.resume_at = work.gathered.started_at + work.pace.pause(number)


async def retry_refused(work: UnitPoll) -> None:
    """Once a day, ask for a refused point alone; raises no Over: its silence says nothing of the unit."""
    one, gathered = work.one, work.gathered
    refusal = one.refusals.first_due(gathered.started_at)
    if refusal is None or not (work.has_data or not one.reads.all):
        return
    block, code = one.reads.alone(refusal.data_point_id), None
    read = Read.of(block) if block is not None else None
    if read is not None:
        with suppress(Over):
            code = await work.ask(read, is_extra=True)
    if read is not None and read.has_answered:
        del one.refusals.by_point[refusal.data_point_id]
        one.reads.is_stale = True
        gathered.read_again.append((one, refusal))
    else:
        known = one.refusals.refuse(refusal.data_point_id, code or refusal.exception_code, gathered.started_at)
        gathered.refused_again.append(known)


def _is_single(read: Read) -> bool:
    """Whether it asks for nothing but one point."""
    return len(read.block.points) == 1 and read.block.model_id is None


def _candidates(work: UnitPoll) -> list[int]:
    """Points whose block was refused: the one that answered before, then some from all over the device."""
    points = [point.id for read, _ in work.refused if not _is_single(read) for point in read.block.points]
    some = min(len(points), work.gathered.extra_requests)
    spread = [points[number * len(points) // some] for number in range(some)]
    lifeline = work.one.lifeline
    return spread if lifeline is None else [lifeline, *spread]


async def _ask_alone(work: UnitPoll, data_point_id: int) -> None:
    block = work.one.reads.alone(data_point_id)
    if block is not None:
        work.gathered.has_repeats = True
        await work.ask(Read.of(block), is_extra=True)


def _leave_out(work: UnitPoll, read: Read, code: int) -> None:
    work.one.reads.leave_out(read)
    for point in read.block.points:
        refusal = work.one.refusals.refuse(point.id, code, work.gathered.started_at)
        work.gathered.refused.append((work.one, refusal))
