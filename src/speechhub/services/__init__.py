"""Use cases: what speechhub does for a client, free of HTTP, processes and frameworks."""
