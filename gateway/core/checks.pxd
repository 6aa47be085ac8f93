# Table of contents of checks.py: the same source, compiled.

cimport cython

from gateway.core.equity cimport EquityWatch
from gateway.core.exposure cimport Book, Group, Tally
from gateway.core.intents cimport Intent, intent_of, lots
from gateway.core.limitset cimport Counted, LimitTable, Plan
from gateway.core.riskcase cimport AccountRisk, Case, Refusal, refusal, told
from gateway.core.throttle cimport DayCounts, Throttle
from gateway.core.valuation cimport SymbolValue

cdef int _ENTRY, _EXIT, _STOPS, _MODIFY, _CANCEL, _REDUCING
cdef object _PENDING, _BUY
cdef long long _MINUTE_NS, _WEEK_MINUTES, _EPOCH_MINUTES, _NS_PER_MS


cdef class Checks:
    # The limits, and what is counted for them.
    cdef readonly LimitTable table
    cdef readonly Throttle rates, alike
    cdef readonly DayCounts days
    cdef object _rules
    cdef long long _max_age_ms, _quote_max_age_ns
    cdef tuple _permitted
    # Where prices come from.
    cdef object _codec, _quotes
    cdef dict _tails

    @cython.locals(intent=Intent, plan=Plan, case=Case)
    cpdef tuple judge(self, dict fields, AccountRisk risk, str client_id, long long now_ns, long long wall_ns)

    cdef Refusal _first_against(self, Case case)

    @cython.locals(counted=Counted, limit="long long")
    cdef Refusal _exit_rates(self, Case case)

    # One check each, in their order.
    @cython.locals(minute="long long")
    cdef Refusal _trading_hours(self, Case case)

    cdef Refusal _allowed_symbols(self, Case case)

    @cython.locals(limit="long long")
    cdef Refusal _max_volume(self, Case case)

    @cython.locals(intent=Intent)
    cdef Refusal _require_stop_loss(self, Case case)

    @cython.locals(plan=Plan, risk=AccountRisk, symbol=str, age_ms="long long")
    cdef Refusal _account_data(self, Case case)

    @cython.locals(intent=Intent, book=Book, group=Group, counted=Counted, after="long long", added="long long", more=int)
    cdef Refusal _exposure(self, Case case)

    @cython.locals(intent=Intent, book=Book, value=SymbolValue, other=SymbolValue, group=Group, tally=Tally,
                   own="long long", volume="long long", notional=double)
    cdef Refusal _max_notional(self, Case case, Counted counted, long long after)

    @cython.locals(value=SymbolValue, limit=double)
    cdef Refusal _max_order_notional(self, Case case)

    @cython.locals(intent=Intent, limit=double, bid=double, ask=double, near=double, off_percent=double)
    cdef Refusal _price_collar(self, Case case)

    @cython.locals(plan=Plan, intent=Intent, book=Book, value=SymbolValue, volume=double, direction=int, bid=double,
                   ask=double, price=double, market=double, distance=double, loss=double, allowed=double)
    cdef Refusal _max_trade_risk(self, Case case)

    @cython.locals(plan=Plan, equity=EquityWatch, lost=double, fallen=double, day_percent=double, peak_percent=double)
    cdef Refusal _losses(self, Case case)

    @cython.locals(limit=double, value=SymbolValue, other=SymbolValue, book=Book, tally=Tally, leverage=double,
                   margin=double, level_percent=double)
    cdef Refusal _min_margin_level(self, Case case)

    @cython.locals(limit="long long", intent=Intent)
    cdef Refusal _max_alike(self, Case case)

    @cython.locals(counted=Counted, limit="long long", reserved="long long", count="long long")
    cdef Refusal _rates(self, Case case)

    # What they share.
    cdef Refusal _unread(self, Case case, str found)

    @cython.locals(symbol=str, risk=AccountRisk, value=SymbolValue, tail=bytes, prices=tuple)
    cdef _quote(self, Case case)


cdef tuple _likeness(Intent intent, Plan plan)
cdef Refusal _unvalued(Case case, str symbol)
cdef Refusal _lost(Case case, str name, double limit, double unit, double found, str since)
cdef Refusal _above(Case case, str name, double limit, double found)
