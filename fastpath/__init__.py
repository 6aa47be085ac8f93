"""What is compiled: it knows bytes, ticks and sockets, and must never know what a trade is, nor import `gateway`.

`msgpack` and `codec` are the wire format, `cache` keeps encoded answers, `libzmq` binds pyzmq's own library, on which
`sockets` and `broadcast` stand, and `board` shares last quotes through memory. Each has a twin in plain Python that it
is tested against; `gateway.accel` chooses. In a tree where nothing was compiled this package is empty.
"""
