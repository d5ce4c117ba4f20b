"""The server's process: its listeners, its signals, and the order of startup and shutdown."""
