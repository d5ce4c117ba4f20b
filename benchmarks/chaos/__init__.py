"""The chaos run: clients of every kind, and faults of workers, hub, disk and clock, all at once."""
