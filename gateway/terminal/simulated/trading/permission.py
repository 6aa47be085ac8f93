"""Who may trade at all: what is asked before a request is looked at."""

from dataclasses import dataclass

from gateway.wire import constants as mt5

__all__ = ("Permission",)


@dataclass(slots=True)
class Permission:
    """What stands between a request and the trade server, each changed from outside while the terminal runs.

    `connected`: the terminal has its trade server. `autotrading`: the terminal's AlgoTrading button is on.
    `trade_allowed`, `trade_expert`: what the server allows the account: to trade, and to trade by programs.
    """

    connected: bool = True
    autotrading: bool = True
    trade_allowed: bool = True
    trade_expert: bool = True

    def judge(self, origin: int, *, may_trade: bool) -> int:
        """Return 0 or the retcode that refuses any request of this ORDER_REASON_*, in the order MT5 asks.

        `may_trade` is false for a session that logged in with the investor password. What is traded by hand needs no
        leave for programs.
        """
        if not self.connected:
            return mt5.TRADE_RETCODE_CONNECTION
        if origin == mt5.ORDER_REASON_EXPERT and not self.autotrading:
            return mt5.TRADE_RETCODE_CLIENT_DISABLES_AT
        if not (self.trade_allowed and may_trade):
            return mt5.TRADE_RETCODE_TRADE_DISABLED
        if origin == mt5.ORDER_REASON_EXPERT and not self.trade_expert:
            return mt5.TRADE_RETCODE_SERVER_DISABLES_AT
        return 0
