"""What polling a gateway costs in mobile data, reckoned from its plan: bytes per poll and per month."""

import socket
from dataclasses import dataclass

from models.packet_cost import MONTH_S, PLAIN, PacketCost, megabytes, over_budget
from poller.line import KEEP_ALIVE
from poller.plan import GatewayPlan
from poller.read_plan import Block

REQUEST_BYTES = 12  # header 7, function 1, address 2, count 2
REPLY_HEAD_BYTES = 9  # header 7, function 1, byte count 1
KEEP_ALIVE_AFTER_S = KEEP_ALIVE[socket.IPPROTO_TCP, socket.TCP_KEEPIDLE]
PACKETS_PER_KEEP_ALIVE = 2


@dataclass(frozen=True, slots=True)
class Budget:
    """What the plan costs while everything answers: one acknowledgement of its own per request, no repeats."""

    requests_per_poll: int
    bytes_per_poll: float
    bytes_per_month: float

    def words(self) -> str:
        requests = "1 request" if self.requests_per_poll == 1 else f"{self.requests_per_poll} requests"
        return (
            f"{requests} and {self.bytes_per_poll:,.0f} bytes a poll, about {megabytes(self.bytes_per_month)} a month"
        )

    def warning(self, budget_mb: float | None) -> str | None:
        """The warning that this is more than is allowed per month; None when it is not, or when nothing is set."""
        return over_budget(self.bytes_per_month, budget_mb)


def budget(plan: GatewayPlan, cost: PacketCost = PLAIN) -> Budget:
    """The cost of polling by this plan, TCP/IP included."""
    blocks = [block for unit in plan.units for block in (*unit.blocks, *unit.model_blocks)]
    frames = sum(frame_bytes(block) for block in blocks)
    bytes_per_poll = cost.on_the_wire(frames, len(blocks)) + _connection_bytes(plan, cost)
    return Budget(len(blocks), bytes_per_poll, bytes_per_poll * MONTH_S / plan.poll_interval_s)


def frame_bytes(block: Block) -> int:
    """The Modbus frames of one request and its reply. Source: Modbus Application Protocol 1.1b3, section 6."""
    payload = -(-block.count // 8) if block.table.is_bits else 2 * block.count
    return REQUEST_BYTES + REPLY_HEAD_BYTES + payload


def _connection_bytes(plan: GatewayPlan, cost: PacketCost) -> float:
    """What the connection itself takes per poll: made anew for each, or kept alive between them."""
    if plan.release_socket:
        return cost.reconnect_bytes
    probes = int(plan.poll_interval_s // KEEP_ALIVE_AFTER_S)
    return probes * PACKETS_PER_KEEP_ALIVE * cost.packet_bytes
