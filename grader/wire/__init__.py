"""The wire between a submission's services and PostgreSQL: it relays, records every step, and can hold it."""

from grader.wire.connection import ConnectionView
from grader.wire.gate import Bell, Gate, Hold
from grader.wire.relay import Relay
from grader.wire.steps import SYNC_COMMIT, WireStep
from grader.wire.wire import Wire

__all__ = ["SYNC_COMMIT", "Bell", "ConnectionView", "Gate", "Hold", "Relay", "Wire", "WireStep"]
