"""The one place that chooses, once per process, between what is compiled and its plain twin.

`COMPILED` says which it became. The codec's twin is `gateway.wire.codec` (which has the rare messages too), the reply
cache's `gateway.core.replycache`, the journal records' `gateway.core.records`, the sockets' and the broadcaster's
`gateway.plain`. The quote board has none: without it the terminal is asked.
Where libzmq can't be reached from outside pyzmq (Windows), the codec and the cache are compiled and the sockets plain.
Workers and feeds never import this file: they run where nothing is compiled.
"""

from typing import TYPE_CHECKING, Any

from gateway.wire.errors import LocalProtocolError, RemoteProtocolError

__all__ = (
    "COMPILED",
    "BoardReader",
    "BoardWriter",
    "Broadcaster",
    "DealerSocket",
    "ReplyCache",
    "RouterSocket",
    "codec",
    "records",
    "wait",
)

if TYPE_CHECKING:
    import gateway.core.records as records
    from gateway.core.replycache import ReplyCache
    from gateway.plain import Broadcaster, DealerSocket, RouterSocket, wait
    from gateway.wire import codec

    COMPILED: bool
    BoardReader: Any
    BoardWriter: Any
else:
    BoardReader = BoardWriter = None
    try:
        from fastpath import codec, records
        from fastpath.cache import ReplyCache
        from fastpath.msgpack import set_errors

        set_errors(LocalProtocolError, RemoteProtocolError)
        COMPILED = True
    except ImportError:
        import gateway.core.records as records
        from gateway.core.replycache import ReplyCache
        from gateway.wire import codec

        COMPILED = False

    try:
        if not COMPILED:
            raise ImportError("nothing is compiled here")
        from fastpath import libzmq

        if not libzmq.AVAILABLE:
            raise ImportError("libzmq can't be reached from outside pyzmq here")
        from fastpath.board import BoardReader, BoardWriter
        from fastpath.broadcast import Broadcaster
        from fastpath.sockets import DealerSocket, RouterSocket, wait
    except ImportError:
        from gateway.plain import Broadcaster, DealerSocket, RouterSocket, wait
