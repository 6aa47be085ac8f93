"""Runs in Windows' Python: prints, as JSON, the real package's functions, structures and constants."""

import json
from pathlib import Path

import MetaTrader5
from MetaTrader5 import _core

functions = [name for name, value in vars(_core).items() if callable(value) and not isinstance(value, type)]
structs = [value for value in vars(_core).values() if isinstance(value, type)]
print(
    json.dumps(
        {
            "functions": sorted(name for name in functions if not name.startswith("_")),
            "structs": {
                cls.__name__: {
                    "n_fields": cls.n_fields,
                    "n_sequence_fields": cls.n_sequence_fields,
                    "n_unnamed_fields": cls.n_unnamed_fields,
                    "names": cls.__match_args__,
                    "doc": cls.__doc__,
                }
                for cls in structs
            },
            "constants": {
                name: value for name, value in vars(MetaTrader5).items() if name.isupper() and isinstance(value, int)
            },
            "core": Path(_core.__file__).read_bytes().decode("latin-1"),
        }
    )
)
