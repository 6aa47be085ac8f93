"""The name MetaTrader5 for `clients.metatrader5`: whoever imports it gets that very module."""

import sys

from clients import metatrader5

sys.modules[__name__] = metatrader5
