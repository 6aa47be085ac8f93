"""A rival: what a capable programmer writes on one page of Python, with pyzmq and msgpack, in an afternoon.

    python -m bench.rival ENDPOINT WORKER_ENDPOINT

It speaks the same frames with the same client and the same null workers as the gateway, and is no straw man: one
thread, no futures, both sockets drained in bursts before the next poll, sockets polled only when idle, its packer
and look-ups bound once, the cyclic collector frozen. What it leaves out it leaves out to its own advantage: no
journal, no risk, no deadlines, no bounds, no duplicate check.
"""

import gc
import sys
import time
from collections import deque
from typing import Any, Final

import msgpack
import zmq

VERSION: Final = 1
READY, HEARTBEAT, CALL, BEGUN, RETURN, WELCOME = 1, 2, 4, 5, 6, 8
GENERATION: Final = 1
HEARTBEAT_MS: Final = 1_000
BURST: Final = 128
OK: Final = 0
REFUSED: Final = 1

LANES: Final = {"order_send": "trade", "symbol_info": "query", "symbol_spec": "query", "account_info": "watch"}


class Rival:
    """Clients on one ROUTER, workers on the other, queues by account and lane between them."""

    def __init__(self, endpoint: str, worker_endpoint: str) -> None:
        context = zmq.Context()
        self.clients = context.socket(zmq.ROUTER)
        self.workers = context.socket(zmq.ROUTER)
        for router, address in ((self.clients, endpoint), (self.workers, worker_endpoint)):
            router.linger, router.sndhwm, router.rcvhwm = 0, 100_000, 100_000
            router.bind(address)
        self.sessions: dict[int, bytes] = {}
        self.queues: dict[tuple[str, str], deque[tuple[bytes, list[Any], int]]] = {}
        self.credits: dict[tuple[str, str], deque[bytes]] = {}
        self.in_flight: dict[int, tuple[bytes, int, tuple[str, str], int, int]] = {}
        self.next_call = 1
        self.pack = msgpack.Packer(use_bin_type=True).pack
        self.unpack = msgpack.unpackb

    def serve(self) -> None:
        """Poll, drain both sides in bursts, again."""
        poller = zmq.Poller()
        poller.register(self.clients, zmq.POLLIN)
        poller.register(self.workers, zmq.POLLIN)
        while True:
            poller.poll()
            while self._drain(self.workers, self._from_worker) + self._drain(self.clients, self._from_client):
                pass

    def _drain(self, router: zmq.Socket[bytes], handle: Any) -> int:
        receive = router.recv_multipart
        for received in range(BURST):
            try:
                identity, frame = receive(zmq.DONTWAIT)
            except zmq.Again:
                return received
            handle(identity, frame)
        return BURST

    def _from_client(self, identity: bytes, frame: bytes) -> None:
        received = time.monotonic_ns()
        message = self.unpack(frame)
        _, session, request_id, name, account = message[:5]
        if name == "hello":
            session = 2**63 + len(self.sessions)
            self.sessions[session] = identity
            self._reply(identity, request_id, OK, {"session": session}, None)
            return
        lane = LANES.get(name)
        if lane is None or self.sessions.get(session) != identity:
            self._reply(identity, request_id, REFUSED, [1, "unknown call or session", None], None)
            return
        key = (account, lane)
        self.queues.setdefault(key, deque()).append((identity, message, received))
        self._dispatch(key)

    def _dispatch(self, key: tuple[str, str]) -> None:
        queue, free = self.queues.get(key), self.credits.get(key)
        while queue and free:
            worker = free.popleft()
            identity, message, received = queue.popleft()
            call_id = self.next_call
            self.next_call += 1
            self.in_flight[call_id] = (identity, message[2], key, received, time.monotonic_ns())
            call = [VERSION, CALL, GENERATION, call_id, message[3], message[5], *message[6:]]
            self.workers.send_multipart((worker, self.pack(call)), zmq.DONTWAIT)

    def _from_worker(self, identity: bytes, frame: bytes) -> None:
        message = self.unpack(frame)
        kind = message[1]
        if kind == RETURN:
            returned = time.monotonic_ns()
            _, _, _, call_id, status, wait_ns, call_ns, result = message
            client, request_id, key, received, sent = self.in_flight.pop(call_id)
            stamps = [received, sent, returned, time.monotonic_ns(), wait_ns, call_ns]
            self._reply(client, request_id, status, result, stamps)
            self.credits[key].append(identity)
            self._dispatch(key)
        elif kind == READY:
            _, _, _, _, account, lanes, credit = message[:7]
            for lane in lanes:
                self.credits.setdefault((account, lane), deque()).extend([identity] * credit)
            self.workers.send_multipart((identity, self.pack([VERSION, WELCOME, GENERATION, HEARTBEAT_MS])))

    def _reply(self, identity: bytes, request_id: int, status: int, result: Any, stamps: Any) -> None:
        self.clients.send_multipart((identity, self.pack([VERSION, request_id, status, result, stamps])), zmq.DONTWAIT)


def main() -> None:
    """Serve until killed."""
    rival = Rival(*sys.argv[1:3])
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    rival.serve()


if __name__ == "__main__":
    main()
