"""Decisions about engines and devices: events in, effects out. Pure: no I/O, no clock, no tasks."""
