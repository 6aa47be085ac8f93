"""Connect, and say to whom: initialize, version, terminal_info, account_info, last_error, shutdown."""

import MetaTrader5 as mt5

print(f"MetaTrader5 package {mt5.__version__} by {mt5.__author__}")

if not mt5.initialize():
    print("initialize() failed:", mt5.last_error())
    raise SystemExit(1)

generation, build, released = mt5.version()
print(f"terminal: generation {generation}, build {build} of {released}")

terminal = mt5.terminal_info()
print(f"  {terminal.name} of {terminal.company}, in {terminal.path}")
print(f"  connected to its trade server: {terminal.connected}, AlgoTrading on: {terminal.trade_allowed}")

account = mt5.account_info()
kind = {
    mt5.ACCOUNT_TRADE_MODE_DEMO: "demo",
    mt5.ACCOUNT_TRADE_MODE_CONTEST: "contest",
    mt5.ACCOUNT_TRADE_MODE_REAL: "real",
}[account.trade_mode]
print(f"account: {account.login} on {account.server}, {kind}, 1:{account.leverage}")
print(f"  balance {account.balance:.2f} {account.currency}, equity {account.equity:.2f} {account.currency}")

# Every structure has _asdict(): all fields by name.
for name, value in sorted(account._asdict().items()):
    if name.startswith("margin"):
        print(f"  {name} = {value}")

# A call that fails returns None, and last_error() says why.
if mt5.symbol_info("NO-SUCH-SYMBOL") is None:
    print("no such symbol:", mt5.last_error())

mt5.shutdown()
