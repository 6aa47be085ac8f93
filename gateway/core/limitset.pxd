# Table of contents of limitset.py: the same source, compiled. Volumes are in VOLUME_UNITS; a limit below 0 is off.

cimport cython


cdef class Plan:
    # Whose orders, in what.
    cdef readonly str account_name, client_id, canonical
    # The order by itself.
    cdef readonly int state
    cdef readonly object spans             # minutes of the week; None: any time
    cdef readonly frozenset allowed_symbols
    cdef readonly long long max_volume, max_alike
    cdef readonly double max_order_notional, collar_percent, max_trade_risk, max_trade_risk_percent
    cdef readonly bint require_stop_loss
    # The account's money.
    cdef readonly double max_daily_loss, max_daily_loss_percent, max_drawdown, max_drawdown_percent, min_margin_level
    # What it takes to judge by it, and whose the limits are.
    cdef readonly bint needs_reading, needs_value, watches_losses
    cdef readonly dict origins
    cdef readonly list counted


cdef class Counted:
    cdef readonly bint is_client, is_symbol
    cdef readonly str text, days_key, entries_key, exits_key
    cdef readonly long long max_open_volume, max_positions, max_entries, max_exits, max_daily_requests
    cdef readonly double max_notional


cdef class LimitTable:
    cdef str _separators
    cdef object _suffixes
    cdef dict _canonical, _configured, _bounds, _plans
    cdef readonly dict changed

    cpdef str canonical(self, str symbol)

    @cython.locals(key=tuple)
    cpdef Plan plan(self, str account_name, str client_id, str canonical)
