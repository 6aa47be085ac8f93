"""Puts the crash points into the processes under test; the code under test has no hook for it.

Python imports a module of this name by itself at its start; the harness puts this folder on PYTHONPATH of the gateway
that it starts, and of nothing else. Each module of the gateway is patched right after it was imported, in the processes
where that makes sense. Beside the points it keeps two logs that survive the processes: who is which process, and
every order that arrives at the simulated terminal.
"""

import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import crash_mutations
from crash_points import Board

ROLES = ("broker", "publisher", "worker", "worker-child", "feed", "feed-child", "simulator")
ORDER = "order_send"


class Hooks:
    """Finds modules as usual, and has them patched once they are there."""

    def __init__(self, patches: dict[str, list[Callable[[ModuleType], None]]]) -> None:
        self._patches = patches

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        patches = self._patches.pop(name, None)
        if patches is None:
            return None
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.loader is not None
        execute = spec.loader.exec_module

        def execute_and_patch(module: ModuleType) -> None:
            execute(module)
            for patch in patches:
                patch(module)

        spec.loader.exec_module = execute_and_patch  # type: ignore[method-assign]
        return spec


class WatchedSocket:
    """A broker's socket with points around its sends and behind its receipts."""

    def __init__(self, inner: Any, board: Board, received: str, before: str, after: str) -> None:
        self._inner = inner
        self._board = board
        self._received, self._before, self._after = received, before, after

    def recv_burst(self, limit: int) -> Any:
        burst = self._inner.recv_burst(limit)
        if burst:
            self._board.passing(self._received)
        return burst

    def send_burst(self, messages: Any) -> Any:
        self._board.passing(self._before)
        unsent = self._inner.send_burst(messages)
        self._board.passing(self._after)
        return unsent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Injection:
    """The patches of one process, module by module."""

    def __init__(self, role: str, board: Board, state_dir: Path) -> None:
        self._role = role
        self._board = board
        self._state_dir = state_dir
        self._is_order = False  # whether the terminal's last call was one

    def patches(self) -> dict[str, Callable[[ModuleType], None]]:
        """Return them for this process's role, by the module that each belongs to."""
        found: dict[str, Callable[[ModuleType], None]] = {"gateway.log": self._log}
        if self._role == "supervisor":
            found |= {"gateway.pool": self._pool, "gateway.process": self._quick_restarts}
        elif self._role == "broker":
            found |= {"gateway.broker": self._broker, "gateway.journal": self._journal}
        elif self._role == "worker":
            found |= {"gateway.workers.watchdog": self._watchdog, "gateway.process": self._quick_restarts}
        elif self._role == "worker-child":
            found |= {
                "gateway.workers.worker": self._worker,
                "gateway.workers.execution": self._execution,
                "gateway.workers.attachment": self._attachment,
                "gateway.terminal.simulated.connection": self._connection,
            }
        elif self._role == "simulator":
            found |= {
                "gateway.terminal.simulated.terminal": self._terminal,
                "gateway.terminal.simulated.server": self._server,
                "gateway.terminal.simulated.store": self._store,
            }
        return found

    def _log(self, module: ModuleType) -> None:
        """Note who this process is, as soon as it says so itself."""
        configure = module.configure

        def noting(role: str, level: str = "info") -> Any:
            name = role.partition(".")[2]
            note = self._state_dir / "pids" / str(os.getpid())
            note.with_suffix(".new").write_text(f"{self._role} {name}")
            note.with_suffix(".new").replace(note)
            return configure(role, level)

        module.configure = noting  # type: ignore[attr-defined]

    # --- supervisor and watchdogs -----------------------------------------------------------------------------------

    def _quick_restarts(self, module: ModuleType) -> None:
        """Let nobody wait longer than this before a process is started again: what dies every few seconds would."""
        backoff = module.Backoff
        begin = backoff.__init__

        def quick(
            self: Any, random: Any, first_ms: int = 100, limit_ms: int = 10_000, healthy_ms: int = 10_000
        ) -> None:
            begin(self, random, min(first_ms, 60), min(limit_ms, 60), healthy_ms)

        backoff.__init__ = quick
        if self._role == "worker":
            passing = self._board.passing
            end = module.Child.end

            def ended(child: Any) -> int:
                status: int = end(child)
                passing("watchdog.child-reaped")
                return status

            module.Child.end = ended

    def _pool(self, module: ModuleType) -> None:
        around(module.Member, "start", None, lambda: self._board.passing("supervisor.child-started"))

    def _watchdog(self, module: ModuleType) -> None:
        passing = self._board.passing
        around(
            module.Watchdog,
            "_bury",
            lambda: passing("watchdog.child-dead"),
            lambda: passing("watchdog.goodbye-said"),
        )
        around(module.Watchdog, "_begin", None, lambda: passing("watchdog.child-started"))

    # --- broker -----------------------------------------------------------------------------------------------------

    def _broker(self, module: ModuleType) -> None:
        board = self._board
        passing = board.passing
        begin = module.Broker.__init__

        def begun(broker: Any, *args: Any) -> None:
            begin(broker, *args)
            broker._clients = WatchedSocket(
                broker._clients, board, "broker.received-request", "broker.before-replies", "broker.after-replies"
            )
            broker._workers = WatchedSocket(
                broker._workers, board, "broker.received-return", "broker.before-calls", "broker.after-calls"
            )
            passing("broker.bound")

        module.Broker.__init__ = begun
        around(module.Broker, "_recover", None, lambda: passing("broker.recovered"))
        around(
            module,
            "next_generation",
            lambda: passing("broker.before-generation"),
            lambda: passing("broker.after-generation"),
        )

    def _journal(self, module: ModuleType) -> None:
        board = self._board
        passing = board.passing
        segment_bytes = int(os.environ.get("CRASHES_SEGMENT_BYTES", "0"))
        append, begin = module.Journal.append, module.Journal.__init__

        def begun(journal: Any, *args: Any) -> None:
            begin(journal, *args)
            journal.segment_bytes = segment_bytes or journal.segment_bytes

        def appended(journal: Any, data: bytes, sequence: int) -> None:
            passing("journal.before-write")
            if board.is_due("journal.torn-write"):
                written = board.seed("journal.torn-write") % len(data)
                os.pwrite(journal._file, data[:written], journal._end)
                board.strike("journal.torn-write")
            append(journal, data, sequence)
            passing("journal.after-write")

        module.Journal.__init__, module.Journal.append = begun, appended
        around(
            module.Journal,
            "recover",
            lambda: passing("journal.before-recovery"),
            lambda: passing("journal.recovered"),
        )
        around(module.Journal, "open", None, lambda: passing("journal.segment-opened"))
        around(
            module.Journal,
            "drop_below",
            lambda: passing("journal.before-drop"),
            lambda: passing("journal.after-drop"),
        )

    # --- workers ----------------------------------------------------------------------------------------------------

    def _worker(self, module: ModuleType) -> None:
        passing = self._board.passing
        execute, give_back = module.Worker._execute, module.Worker._return

        def executing(worker: Any, arrival: Any) -> None:
            if arrival.call.name == ORDER:
                passing("worker.call-taken")
            execute(worker, arrival)

        def giving_back(worker: Any, call: Any, wait_ns: int, outcome: Any) -> None:
            give_back(worker, call, wait_ns, outcome)
            if call.name == ORDER:
                passing("worker.after-return")

        module.Worker._execute, module.Worker._return = executing, giving_back

    def _execution(self, module: ModuleType) -> None:
        passing = self._board.passing
        order = module.Executor._order

        def ordering(executor: Any, call: Any, deadline_ns: int, begun: Callable[[], bool]) -> Any:
            def beginning() -> bool:
                passing("worker.before-begun")
                handed_over = begun()
                passing("worker.after-begun")
                return handed_over

            return order(executor, call, deadline_ns, beginning)

        module.Executor._order = ordering

    def _attachment(self, module: ModuleType) -> None:
        passing = self._board.passing
        call = module.Attachment.call

        def calling(attachment: Any, name: str, *args: Any) -> Any:
            if name == "history_orders_get":
                passing("worker.reading-ledger")
            result = call(attachment, name, *args)
            if name == ORDER:
                passing("worker.executed")
            return result

        module.Attachment.call = calling

    def _connection(self, module: ModuleType) -> None:
        passing = self._board.passing
        ask, receive = module.SimulatedConnection._ask, module.SimulatedConnection._receive
        asked = [""]

        def asking(connection: Any, name: str, arguments: Any) -> Any:
            asked[0] = name
            return ask(connection, name, arguments)

        def receiving(connection: Any, source: Any) -> Any:
            if asked[0] == ORDER:
                passing("worker.request-written")
            return receive(connection, source)

        module.SimulatedConnection._ask, module.SimulatedConnection._receive = asking, receiving

    # --- the simulated terminal -------------------------------------------------------------------------------------

    def _terminal(self, module: ModuleType) -> None:
        """Log what arrives before anything becomes of it, and the answer before it is kept or given."""
        passing = self._board.passing
        answer = module.SimulatedTerminal.answer
        arrivals = os.open(self._state_dir / "arrivals.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

        def answering(terminal: Any, session: Any, name: str, arguments: Any, now_ns: int) -> Any:
            self._is_order = name == ORDER
            if not self._is_order:
                return answer(terminal, session, name, arguments, now_ns)
            action, magic = arguments[:2]
            os.write(arrivals, f"arrived {magic} {action}\n".encode())
            passing("terminal.order-arrived")
            told = answer(terminal, session, name, arguments, now_ns)
            result = told[0][2]
            outcome = "0 0 0" if result is None else f"{result[0]} {result[2]} {result[1]}"
            os.write(arrivals, f"answered {magic} {outcome}\n".encode())
            passing("terminal.executed")
            return told

        module.SimulatedTerminal.answer = answering

    def _server(self, module: ModuleType) -> None:
        passing = self._board.passing
        deliver = module.Server._deliver

        def delivering(server: Any, *args: Any) -> None:
            is_order = self._is_order
            if is_order:
                passing("terminal.before-answer")
            deliver(server, *args)
            if is_order:
                passing("terminal.after-answer")

        module.Server._deliver = delivering

    def _store(self, module: ModuleType) -> None:
        passing = self._board.passing
        begin = module.Store.__init__

        def begun(store: Any, *args: Any) -> None:
            begin(store, *args)
            execute = store._execute

            def executing(statement: str, *values: Any) -> Any:
                if statement == "COMMIT":
                    passing("store.before-commit")
                done = execute(statement, *values)
                if statement == "COMMIT":
                    passing("store.after-commit")
                elif statement != "BEGIN":
                    passing("store.in-transaction")
                return done

            store._execute = executing

        module.Store.__init__ = begun
        around(module.Store, "load", None, lambda: passing("terminal.loaded"))


def around(owner: Any, name: str, before: Callable[[], None] | None, after: Callable[[], None] | None) -> None:
    """Have something done before and after each call of a function or method."""
    inner = getattr(owner, name)

    def outer(*args: Any) -> Any:
        if before is not None:
            before()
        result = inner(*args)
        if after is not None:
            after()
        return result

    setattr(owner, name, outer)


def install() -> None:
    """Patch this process, if it is one of the gateway's that the harness has started."""
    board_path = os.environ.get("CRASHES_BOARD")
    words = sys.orig_argv
    role = next((role for role in ROLES if role in words), "supervisor" if "run" in words else "")
    if not board_path or not role:
        return
    patches: dict[str, list[Callable[[ModuleType], None]]] = {}
    injected = Injection(role, Board(board_path), Path(board_path).parent).patches()
    for found in (injected, crash_mutations.patches(os.environ.get("CRASHES_MUTATION", ""), role)):
        for name, patch in found.items():
            patches.setdefault(name, []).append(patch)
    sys.meta_path.insert(0, Hooks(patches))


install()
