"""The process that plays the gateways of a soak: most of them have some of their requests spoilt, by chance."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.poller.fault_frames import GENERATIONS, Asked, Fault, Step
from tests.poller.fault_line import WHOLE_REPLIES
from tests.poller.fault_server import FaultServer

FAULTY, HEALTHY = 16, 4
TOO_LATE_S = (0.55, 0.62)  # later than every time-out, but not given up yet
SPOILT = 0.03  # of the requests
WEIGHTS = {
    Fault.DROP: 10,
    Fault.DELAY: 10,
    Fault.WRONG_TRANSACTION: 5,
    Fault.WRONG_UNIT: 5,
    Fault.WRONG_FUNCTION: 5,
    Fault.WRONG_PROTOCOL: 3,
    Fault.WRONG_BYTE_COUNT: 5,
    Fault.BYTES_MISSING: 5,
    Fault.ONE_TOO_MANY: 5,
    Fault.ONE_TOO_FEW: 5,
    Fault.SHORT_FRAME: 5,
    Fault.GARBAGE: 5,
    Fault.RESET: 15,
    Fault.CUT: 10,
    Fault.HALF_OPEN: 3,
    Fault.EXCEPTION: 20,
    Fault.WRONG_EXCEPTION: 3,
    Fault.REBOOT: 1,
    Fault.DRIP: 5,
    Fault.GLUED: 10,
    Fault.DUPLICATE: 10,
    Fault.EARLY: 10,
    Fault.CROSSED: 10,
}
EXCEPTIONS = (1, 2, 3, 4, 5, 6, 10, 11)
HARMLESS = (*WHOLE_REPLIES, Fault.EXCEPTION)


class RandomFaults:
    """Spoils some requests of one server, by chance but the same every time."""

    def __init__(self, seed: int, share: float) -> None:
        self.server = FaultServer()
        self.spoilt: list[Asked] = []  # whose values must not be taken
        self.faults: Counter[Fault] = Counter()
        self._random = Random(seed)
        self._share = share

    def __call__(self, asked: Asked) -> Step:
        self.server.asked.clear()  # it would grow for ever
        if self._random.random() >= self._share:
            return Step()
        (fault,) = self._random.choices(list(WEIGHTS), weights=list(WEIGHTS.values()))
        self.faults[fault] += 1
        if fault not in HARMLESS or fault is Fault.DELAY:
            self.spoilt.append(asked)
        return Step(fault, self._argument(fault))

    def _argument(self, fault: Fault) -> float:
        """Seconds or a code; a drip is over in time."""
        if fault is Fault.EXCEPTION:
            return self._random.choice(EXCEPTIONS)
        if fault in (Fault.DELAY, Fault.CROSSED):
            return self._random.uniform(*TOO_LATE_S)
        return {Fault.WRONG_EXCEPTION: 2, Fault.REBOOT: 0.05, Fault.DRIP: 0.001}.get(fault, 0)


@dataclass(frozen=True)
class Played:
    """What the process of the servers tells of one of them at the end."""

    requests: int
    reused: int
    unusable: list[int]  # generations whose values must not have been taken
    faults: dict[str, int]


async def serve(seed: int) -> None:
    """Play all gateways until standard input ends; a line in between heals them. Output: the ports, then the end."""
    loop = asyncio.get_running_loop()
    players = [RandomFaults(seed + n, SPOILT if n < FAULTY else 0.0) for n in range(FAULTY + HEALTHY)]
    for player in players:
        await player.server.open()
        await player.server.play(player)
    _say(json.dumps([player.server.port for player in players]))
    await loop.run_in_executor(None, sys.stdin.readline)
    for player in players:
        await player.server.play({})
    _say("healed")
    await loop.run_in_executor(None, sys.stdin.readline)
    _say(json.dumps([asdict(_played(player)) for player in players]))


def _played(player: RandomFaults) -> Played:
    faults = {fault.value: count for fault, count in player.faults.items()}
    unusable = [asked.generation % GENERATIONS for asked in player.spoilt if _is_unusable(asked)]
    return Played(player.server.generation, player.server.reused, unusable, faults)


def _is_unusable(asked: Asked) -> bool:
    """Whether nobody may take its value; a client that was held up still waits for what we think is late."""
    return asked.step.fault is not Fault.DELAY or asked.is_given_up


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Servers:
    """The process that plays the gateways, as the polling side sees it."""

    def __init__(self, seed: int) -> None:
        command = [sys.executable, __file__, "--serve", str(seed)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ports: list[int] = json.loads(self._line())

    def heal(self) -> None:
        """From now on nothing is spoilt."""
        self._tell("heal")
        self._line()

    def end(self) -> list[Played]:
        self._tell("end")
        return [Played(**played) for played in json.loads(self._line())]

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _tell(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


if __name__ == "__main__" and sys.argv[1:2] == ["--serve"]:
    asyncio.run(serve(int(sys.argv[2])))
