"""Frames on their way between processes.

A `Line` is one connection of one DEALER to a ROUTER, as ZeroMQ keeps it: in order, each frame once, nothing lost in the
middle. When it breaks, what was under way from the one who died may still arrive, up to some frame; the rest is gone.
A new connection has a new identity. A peer that doesn't read makes its line full: what can't be taken is undeliverable.

`adversarial` lines do what ZeroMQ doesn't: frames of clients and workers arrive twice, late, after their connection has
ended, and on their sender's next one; what a dying broker had sent arrives after its successor has begun. All laws hold
all the same, with two exceptions, which aren't made here: a CALL comes to a worker once (it remembers none), and READY
comes to the broker once (an older one would be believed). And who was refused can't be sure that a frame which comes
twice is refused twice.
"""

from collections import deque
from collections.abc import Callable
from random import Random
from typing import Protocol

from tests.simulation.world import MS, SECOND, US, World

__all__ = ("Line", "Peer", "Router")


class Peer(Protocol):
    """Who is at the far end of a line."""

    def line_received(self, line: "Line", frame: bytes) -> None:
        """Take a frame."""

    def line_lost(self, line: "Line") -> None:
        """Take note that the line is broken."""

    def line_repeats(self, frame: bytes) -> None:
        """Take note that a frame that was sent once arrives twice."""

    def line_late(self, line: "Line", frame: bytes) -> None:
        """Take a frame of a line that is broken, on whatever line there is now."""


class Line:
    """One connection, from its making to its end."""

    def __init__(self, world: World, chance: Random, router: "Router", peer: Peer, identity: bytes) -> None:
        self.identity = identity
        self.peer = peer
        self.alive = True
        self.full = False
        self.before: Line | None = None
        self._world = world
        self._chance = chance
        self._router = router
        self._up_ns = self._down_ns = 0  # when the last frame arrives
        self._up: deque[tuple[int, bytes]] = deque()  # the frames under way, numbered
        self._down: deque[tuple[int, bytes]] = deque()
        self._number = 0

    def delay_ns(self) -> int:
        """Return how long the next frame takes."""
        if self._chance.random() < (0.04 if self._router.adversarial else 0.01) and not self._world.quiet:
            return self._chance.randrange(5 * MS, 400 * MS)
        return self._chance.randrange(20 * US, 400 * US)

    def send_up(self, frame: bytes) -> None:
        """Send a frame to the router."""
        if not self.alive:
            return
        world = self._world
        self._up_ns = max(self._up_ns, world.now_ns + self.delay_ns())
        self._number += 1
        self._up.append((self._number, frame))
        world.at(self._up_ns - world.now_ns, self._arrive_up, self._number, frame)
        if self._router.adversarial and not world.quiet and self._chance.random() < 0.04:
            world.at(self._up_ns - world.now_ns + self._chance.randrange(0, 3 * SECOND), self._again, frame)

    def send_down(self, frame: bytes) -> None:
        """Send a frame to the peer."""
        world = self._world
        self._down_ns = max(self._down_ns, world.now_ns + self.delay_ns())
        self._number += 1
        self._down.append((self._number, frame))
        world.at(self._down_ns - world.now_ns, self._arrive_down, self._number, frame)

    def end(self, *, by_router: bool) -> None:
        """Break: a part of what the one who ended it had sent still arrives."""
        if not self.alive:
            return
        self.alive = False
        gone, partly = (self._up, self._down) if by_router else (self._down, self._up)
        lost_up = [frame for _, frame in self._up] if by_router else []
        gone.clear()
        kept = self._chance.randint(0, len(partly))
        lost = [partly.pop()[1] for _ in range(len(partly) - kept)]
        if self._router.adversarial and not self._world.quiet:
            for frame in reversed(lost):
                late_ns = self._chance.randrange(0, 5 * SECOND)
                if by_router:
                    self._world.at(late_ns, self.peer.line_late, self, frame)
                else:
                    self._world.at(late_ns, self._late, frame)
            for frame in lost_up:
                self._world.at(self._chance.randrange(0, 3 * SECOND), self._late, frame)
        if by_router:
            self._world.at(self._chance.randrange(50 * US, 30 * MS), self.peer.line_lost, self)
        else:
            self._world.at(self._chance.randrange(50 * US, 30 * MS), self._router.forget, self)

    def _arrive_up(self, number: int, frame: bytes) -> None:
        if self._up and self._up[0][0] == number:
            self._up.popleft()
            self._router.arrived(self.identity, frame)

    def _arrive_down(self, number: int, frame: bytes) -> None:
        if self._down and self._down[0][0] == number:
            self._down.popleft()
            self.peer.line_received(self, frame)

    def _again(self, frame: bytes) -> None:
        if self._router.may_repeat(frame):
            self._world.note("frame twice", self.identity.decode())
            self.peer.line_repeats(frame)
            self._router.host_arrived(self, frame)

    def _late(self, frame: bytes) -> None:
        if self._router.may_repeat(frame):
            self._world.note("frame late", self.identity.decode())
            self._router.host_arrived(self, frame)


class Router:
    """The broker's end of all lines of one kind, for one life of the broker."""

    def __init__(
        self,
        world: World,
        chance: Random,
        wake: Callable[[], None],
        step: Callable[[int], int | None],
        sent: Callable[[bytes, bytes], None],
        taken: Callable[[list[tuple[bytes, bytes | None]]], None],
        *,
        adversarial: bool,
        current: Callable[[], "Router | None"],
        may_repeat: Callable[[bytes], bool] = lambda frame: True,
    ) -> None:
        """`wake`: something has come. `step`: see `disk.DiskOs`. `sent` is told of every frame that leaves,
        `taken` of every burst that is received.
        `current`: the router in this one's place, in a later life of the broker. `may_repeat`: which frames may come
        twice."""
        self.alive = True
        self.adversarial = adversarial
        self.lines: dict[bytes, Line] = {}
        self.world = world
        self._chance = chance
        self._wake = wake
        self._step = step
        self._sent = sent
        self._taken = taken
        self._current = current
        self.may_repeat = may_repeat
        self._incoming: deque[tuple[bytes, bytes | None]] = deque()

    @property
    def has_frames(self) -> bool:
        """Whether something can be received."""
        return bool(self._incoming)

    def connect(self, peer: Peer, identity: bytes) -> Line:
        """Make a line."""
        line = Line(self.world, self._chance, self, peer, identity)
        self.lines[identity] = line
        return line

    def forget(self, line: Line) -> None:
        """Learn that a peer is gone."""
        self.lines.pop(line.identity, None)

    def arrived(self, identity: bytes, frame: bytes) -> None:
        """Take a frame from a line."""
        if self.alive:
            self._incoming.append((identity, frame))
            self._wake()

    def host_arrived(self, line: Line, frame: bytes) -> None:
        """Take a frame that is late: by its own identity, or by that of any line of the same peer, in this life or a
        later one."""
        router = self._current()
        if router is None:
            return
        identities = [one.identity for one in router.lines.values() if one.peer is line.peer]
        router.arrived(self._chance.choice([line.identity, *identities]), frame)

    def end(self) -> None:
        """End with the broker."""
        self.alive = False
        for line in list(self.lines.values()):
            line.end(by_router=True)

    # What the broker's shell uses.

    def recv_burst(self, limit: int) -> list[tuple[bytes, bytes | None]]:
        """Return what has come."""
        burst = [self._incoming.popleft() for _ in range(min(limit, len(self._incoming)))]
        self._taken(burst)
        return burst

    def send_burst(self, frames: list[tuple[bytes, bytes]]) -> list[int]:
        """Send; return the indexes of those that couldn't be."""
        failed = []
        for index, (identity, frame) in enumerate(frames):
            self._step(0)
            line = self.lines.get(identity)
            if line is None or line.full:
                failed.append(index)
                self.world.note("undeliverable", identity.decode())
            else:
                self._sent(identity, frame)
                line.send_down(frame)
        return failed
