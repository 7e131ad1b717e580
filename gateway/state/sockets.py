"""The door to sockets inside an event loop that cost a call each to make, to read and to write, for both processes."""

from gateway._native import HIGH_WATER_BYTES, Listener, Reactor, Transport

__all__ = ["HIGH_WATER_BYTES", "Listener", "Reactor", "Transport"]
