"""Our tables of the package are the package's own: functions, structures, constants, and the fields of its records."""

from typing import Any

import pytest

from gateway.terminal.metatrader5 import FUNCTIONS
from gateway.wire import constants, structs

OURS = {
    name: value for name, value in vars(structs).items() if isinstance(value, type) and value.__base__ is structs.Struct
}


@pytest.fixture(scope="module")
def names(wine: Any) -> Any:
    return wine.run("names.py")


def test_functions_are_all_there_and_no_more(names: Any) -> None:
    assert names["functions"] == sorted(FUNCTIONS)


def test_structures_have_the_same_fields_in_the_same_order(names: Any) -> None:
    ours = {
        name: {
            "n_fields": cls.n_fields,
            "n_sequence_fields": cls.n_sequence_fields,
            "n_unnamed_fields": cls.n_unnamed_fields,
            "names": list(cls.__match_args__),
            "doc": cls.__doc__,
        }
        for name, cls in OURS.items()
    }
    assert names["structs"] == ours


def test_constants_have_the_same_values(names: Any) -> None:
    ours = {name: value for name, value in vars(constants).items() if name.isupper() and isinstance(value, int)}
    assert names["constants"] == ours


@pytest.mark.parametrize("dtype", [structs.TICK_DTYPE, structs.RATES_DTYPE], ids=["ticks", "rates"])
def test_fields_of_records_are_named_in_the_package(names: Any, dtype: Any) -> None:
    """All that can be seen without a terminal: the package makes an array's type from these names when it fills one."""
    assert dtype.names is not None
    missing = [name for name in dtype.names if f"\0{name}\0" not in names["core"]]
    assert not missing
