"""A terminal that is away is tried again, less often each time, and never rarely."""

import logging
from typing import Any

import pytest

from gateway.clock import monotonic_ns
from gateway.process import Beat
from gateway.settings import WorkerSettings
from gateway.workers.attachment import RETRY_WITHIN_MS, Attachment


@pytest.mark.parametrize("jitter", [0.0, 1.0])
def test_however_long_the_terminal_is_away_the_next_attempt_is_near(terminal: Any, jitter: float) -> None:
    terminal.admits = False
    settings = WorkerSettings("w", "demo", "ipc:///nowhere")
    attachment = Attachment(terminal, settings, "demo", Beat(), lambda: jitter, logging.getLogger("test"))

    for attempt in range(1, 12):
        attachment.keep(attachment.due_ns)
        assert len(terminal.logins) == attempt
        assert attachment.due_ns - monotonic_ns() <= RETRY_WITHIN_MS * 1_000_000

    terminal.admits = True
    attachment.keep(attachment.due_ns)
    assert attachment.connected
