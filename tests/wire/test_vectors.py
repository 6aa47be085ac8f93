"""Every vector under tests/vectors decodes and encodes as written, with the reference codec and the compiled one."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gateway.wire import codec as reference
from gateway.wire.errors import RemoteProtocolError
from gateway.wire.messages import FeedReady, Goodbye, Ready, Ticks, Want

VECTORS = sorted((Path(__file__).parents[1] / "vectors").glob("*.txt"))


def read(path: Path) -> dict[str, str]:
    fields: dict[str, str] = {}
    key = ""
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        if not line.startswith(" "):
            key, _, line = line.partition(":")
            fields[key] = ""
        fields[key] += line.strip()
    return fields


def plain(value: Any) -> Any:
    """What a vector's JSON stands for: {"hex": …} is bytes."""
    if isinstance(value, dict):
        if value.keys() == {"hex"}:
            return bytes.fromhex(value["hex"])
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def listed(value: Any) -> Any:
    return [listed(item) for item in value] if isinstance(value, (list, tuple)) else value


@pytest.fixture(params=["reference", "compiled"])
def codec(request: pytest.FixtureRequest) -> ModuleType:
    if request.param == "reference":
        return reference
    pytest.importorskip("fastpath.codec", reason="nothing is compiled here")
    from gateway.accel import codec as chosen

    return chosen


def encode(codec: ModuleType, kind: str, value: Any) -> bytes:
    match kind:
        case "request":
            return codec.encode_request(*value)
        case "reply":
            request_id, status, result, stamps = value
            return codec.encode_reply(request_id, status, codec.pack(result), tuple(stamps) if stamps else None)
        case "call":
            generation, call_id, name, ttl_ms, args, kwargs = value
            tail = codec.pack(args) + (codec.pack(kwargs) if kwargs else b"")
            return codec.encode_call(generation, call_id, name, ttl_ms, tail, bool(kwargs))
        case "ticks":
            return codec.encode_ticks(*value)
        case "ready":
            return reference.encode_ready(Ready(*value))
        case "goodbye":
            return reference.encode_goodbye(Goodbye(*value))
        case "feed-ready":
            return reference.encode_feed_ready(FeedReady(*value))
        case "want":
            return reference.encode_want([Want(*want) for want in value])
        case "feed-ticks":
            return reference.encode_feed_ticks(Ticks(*value))
    function = getattr(reference, "encode_" + kind.replace("-", "_"))
    return function(*value)


def decode(codec: ModuleType, kind: str, frame: bytes) -> Any:
    if kind == "request":
        session, request_id, name, account, ttl_ms, tail, has_kwargs = codec.decode_request(frame)
        args, kwargs = codec.decode_arguments(tail, has_kwargs)
        return [session, request_id, name, account, ttl_ms, args] + ([kwargs] if has_kwargs else [])
    if kind in ("feed-ready", "feed-ticks", "want", "no-symbol"):
        return getattr(reference, "decode_" + kind.replace("-", "_"))(frame)
    function = "decode_" + kind
    return getattr(codec, function, getattr(reference, function))(frame)


@pytest.mark.parametrize(
    "path", [path for path in VECTORS if not path.stem.startswith("reject-")], ids=lambda p: p.stem
)
def test_vector_decodes_and_encodes_as_written(path: Path, codec: ModuleType) -> None:
    vector = read(path)
    frame = bytes.fromhex(vector["hex"])
    value = plain(json.loads(vector["value"]))
    assert encode(codec, vector["kind"], value).hex() == frame.hex()
    decoded = listed(decode(codec, vector["kind"], frame))
    assert decoded == value


@pytest.mark.parametrize("path", [path for path in VECTORS if path.stem.startswith("reject-")], ids=lambda p: p.stem)
def test_vector_is_refused_with_its_code(path: Path, codec: ModuleType) -> None:
    vector = read(path)
    kind = vector["kind"].removeprefix("reject-")
    with pytest.raises(RemoteProtocolError) as caught:
        decode(codec, kind, bytes.fromhex(vector["hex"]))
    assert caught.value.code == int(vector["code"])
    assert caught.value.message
