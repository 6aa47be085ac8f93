"""What runs beside a terminal, on any host, where nothing is compiled: workers, feeds, and the watchdog of both."""
