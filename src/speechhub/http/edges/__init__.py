"""Edges between the network and the application: each is ASGI, wraps the next, and names no route."""
