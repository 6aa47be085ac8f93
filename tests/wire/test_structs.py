"""The structures behave as the package's C struct sequences do, and can be pickled besides."""

import json
import pickle
from pathlib import Path

import pytest

from gateway.wire import constants, structs

REFERENCE = Path(__file__).parents[2].parent / "shared" / "reference" / "metatrader5_names.json"
TYPES = [value for value in vars(structs).values() if isinstance(value, type) and value.__base__ is structs.Struct]


def test_there_are_eleven() -> None:
    assert len(TYPES) == 11


@pytest.mark.parametrize("cls", TYPES, ids=lambda c: c.__name__)
def test_struct_is_a_tuple_with_names(cls: type[structs.Struct]) -> None:
    value = cls(range(cls.n_fields))
    assert value == tuple(range(cls.n_fields))
    assert list(value._asdict()) == list(cls.__match_args__)
    assert getattr(value, cls.__match_args__[-1]) == cls.n_fields - 1
    assert repr(value).startswith(f"{cls.__name__}({cls.__match_args__[0]}=0, ")
    copy = pickle.loads(pickle.dumps(value))
    assert copy == value
    assert type(copy) is cls
    with pytest.raises(AttributeError):
        setattr(value, cls.__match_args__[0], 5)
    with pytest.raises(TypeError):
        cls(range(cls.n_fields - 1))
    with pytest.raises(TypeError):
        cls(5)  # type: ignore[arg-type]


@pytest.mark.skipif(not REFERENCE.exists(), reason="the package's reference isn't beside the project")
def test_fields_and_constants_are_the_packages_own() -> None:
    names = json.loads(REFERENCE.read_text("utf-8"))
    assert {cls.__name__: list(cls.__match_args__) for cls in TYPES} == names["structs"]
    assert {cls.__name__: cls.__doc__ for cls in TYPES} == names["struct_docs"]
    assert {key: getattr(constants, key) for key in names["constants"]} == names["constants"]


def test_records_are_sixty_packed_bytes() -> None:
    assert structs.TICK_DTYPE.itemsize == structs.RATES_DTYPE.itemsize == structs.RECORD_BYTES == 60
    assert structs.TICK_DTYPE.names == structs.Tick.__match_args__
