"""The server's process: its listeners, its signals, the order of its start and of its end."""
