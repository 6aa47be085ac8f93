"""The contenders that answer requests: each is a chain of processes with a C client at its head.

    echo     client ─▶ echo                          two hops: what any answer costs that needs nobody else
    proxy    client ─▶ zmq_proxy ─▶ echo             four hops: what any broker costs that does nothing
    gateway  client ─▶ broker ─▶ null workers        ours
    rival    client ─▶ rival.py ─▶ null workers      what a page of plain Python does

The floors answer with the gateway's own reply to the same request, so the frames that client and worker of the
floor's side handle have the same bytes or at least the same length as on ours.
"""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zmq

from bench import frames
from bench.context import Context, Transport
from bench.floors import Failed, Program, read_latencies
from bench.frames import RequestTemplate
from bench.gateway_process import Gateway, start_gateway
from bench.runner import Block, Contender

__all__ = ("Chains", "LoadClient", "as_contenders", "ask_once")

ASK_TIMEOUT_MS = 10_000


@dataclass(slots=True)
class LoadClient:
    """A C client at the head of one chain."""

    context: Context
    program: Program
    unsolicited: int = 0

    def closed(self, count: int) -> Block:
        """One request in flight: latencies."""
        return self._run("closed", count)

    def pipelined(self, count: int, window: int) -> Block:
        """`window` requests in flight: latencies, and the rate."""
        return self._run("pipelined", count, window)

    def open(self, count: int, rate: int) -> Block:
        """`rate` requests a second, whatever comes back: latencies from the planned send, and the rate achieved."""
        return self._run("open", count, rate)

    def residence(self, count: int, rate: int) -> Block:
        """Likewise; but what is returned is how long each order stayed in the broker, by the stamps of its reply."""
        rate_reached = self._run("open", count, rate).rate
        return Block(read_latencies(self._path().with_name(f"{self._path().name}-residence")), rate_reached)

    def flood(self, count: int, rate: int) -> None:
        """Begin to send `rate` requests a second; `flooded` waits for the end."""
        self.program.send(f"open {count} {rate} -")

    def flooded(self) -> tuple[int, bytes]:
        """Wait for the end of a flood; return how many were refused, and the first refusal's frame."""
        answer = self.program.answer()
        if answer["error"]:
            raise Failed(f"{self.program.name}: {answer['error']}")
        return answer["bad"], bytes.fromhex(answer["first_bad"])

    def _path(self) -> Path:
        return self.context.scratch / f"latencies-{self.program.pid}"

    def _run(self, mode: str, count: int, *argument: int) -> Block:
        path = self._path()
        answer = self.program.ask(" ".join(map(str, (mode, count, *argument, path))))
        if answer["error"] or answer["bad"]:
            raise Failed(
                f"{self.program.name}: {answer['bad']} of {count} refused, {answer['error'] or 'none lost'}; "
                f"the first: {_shown(bytes.fromhex(answer['first_bad']))}"
            )
        self.unsolicited += answer["unsolicited"]
        # One in flight: the rate would only say the mean latency again.
        rate = count / (answer["elapsed_ns"] / 1e9) if mode != "closed" else None
        return Block(read_latencies(path), rate)


def _shown(frame: bytes) -> str:
    text = bytes(byte if 32 <= byte < 127 else 46 for byte in frame).decode()
    return text or "no reply"


@dataclass(slots=True)
class Chains:
    """Starts chains, and ends them all at once: a context manager."""

    context: Context
    transport: Transport
    template: RequestTemplate
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> "Chains":
        return self

    def __exit__(self, *details: Any) -> None:
        self._stack.close()

    def gateway(self, workers: tuple[tuple[tuple[str, ...], int], ...], **options: Any) -> Gateway:
        """Start a broker with null workers of these (lanes, credit); returns once all have been welcomed. `options` are
        `start_gateway`'s."""
        gateway = self._stack.enter_context(start_gateway(self.context, self.transport, **options))
        self._start_workers(gateway.worker_endpoint, workers)
        return gateway

    def rival(self, workers: tuple[tuple[tuple[str, ...], int], ...]) -> str:
        """Start the rival likewise; returns its endpoint."""
        endpoint, worker_endpoint = self.context.endpoint(self.transport), self.context.endpoint(self.transport)
        self._stack.enter_context(Program.python("bench.rival", endpoint, worker_endpoint))
        self._start_workers(worker_endpoint, workers)
        return endpoint

    def gateway_client(self, name: str, endpoint: str, *more: str) -> LoadClient:
        """Start a client that says hello first; `more` are options of the C program."""
        hello = self.context.path("hello")
        hello.write_bytes(frames.hello_frame(name))
        options = ["--hello", str(hello), "--session-offset", str(frames.SESSION_OFFSET), *more]
        return self._client(name, endpoint, options)

    def echo_floor(self, name: str, reply: bytes | None, *more: str) -> LoadClient:
        """Start client and echo; without a reply, the request itself comes back. `more` are the client's options."""
        endpoint = self.context.endpoint(self.transport)
        self._floor("echo", "--bind", endpoint, *self._reply_options(reply))
        return self._client(name, endpoint, [*more] if reply else ["--echo", "1"])

    def proxy_floor(self, name: str, reply: bytes | None) -> LoadClient:
        """Start client, zmq_proxy, and a worker that answers with `reply`."""
        frontend, backend = self.context.endpoint(self.transport), self.context.endpoint(self.transport)
        self._floor("proxy", "--frontend", frontend, "--backend", backend)
        self._floor("echo", "--connect", backend, *self._reply_options(reply))
        return self._client(name, frontend, [] if reply else ["--echo", "1"])

    def _client(self, name: str, endpoint: str, options: list[str]) -> LoadClient:
        request = self.template.client_options(self.context.scratch)
        return LoadClient(self.context, self._floor("client", "--endpoint", endpoint, *request, *options))

    def _reply_options(self, reply: bytes | None) -> list[str]:
        if reply is None:
            return []
        path = self.context.path("reply")
        path.write_bytes(reply)
        return ["--reply", str(path), "--request-id-offset", str(frames.REQUEST_ID_OFFSET)]

    def _start_workers(self, endpoint: str, workers: tuple[tuple[tuple[str, ...], int], ...]) -> None:
        for number, (lanes, credit) in enumerate(workers, 1):
            options = frames.worker_frames(f"null-{number}", lanes, credit).options(self.context.scratch)
            self._floor("null_worker", "--endpoint", endpoint, *options)

    def _floor(self, program: str, *options: str) -> Program:
        return self._stack.enter_context(Program.floor(self.context.programs, program, *options))


def ask_once(endpoint: str, template: RequestTemplate, times: int = 3, status: int = 0) -> bytes:
    """Ask a gateway from Python, in a session of its own, and return its last reply: the floors' reply.

    Several times, so that what comes back is the steady state's reply (from the cache, where there is one). `status` is
    what the last reply must have: with limits the first ones may have to wait for what the terminal shows.
    """
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger, socket.rcvtimeo = 0, ASK_TIMEOUT_MS
        socket.immediate = True
        socket.connect(endpoint)
        socket.send(frames.hello_frame("bench-probe"))
        session = frames.session_of(socket.recv())
        reply = b""
        for number in range(times):
            request_id = 2**62 + number
            socket.send(template.for_session(session, request_id))
            reply = _reply_to(socket, request_id)
        if reply[11] != status:
            raise Failed(f"expected status {status} of what the bench asks, got: {_shown(reply)}")
        return reply


def _reply_to(socket: zmq.Socket[bytes], request_id: int) -> bytes:
    """Skip what wasn't asked for."""
    while True:
        reply = socket.recv()
        if reply[2] == 0xCF and int.from_bytes(reply[3:11]) == request_id:
            return reply


def as_contenders(clients: dict[str, LoadClient], count: int, window: int = 0) -> list[Contender]:
    """Return closed-loop contenders, or pipelined ones where a window is given."""

    def contender(name: str, client: LoadClient) -> Contender:
        return Contender(name, lambda: client.pipelined(count, window) if window else client.closed(count))

    return [contender(name, client) for name, client in clients.items()]
