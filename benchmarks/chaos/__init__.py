"""A server under everything at once: clients of every kind, and faults of workers, hub, disk and clock."""
