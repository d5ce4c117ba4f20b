"""Comparison of routers for many GPUs that each hold one engine at a time, in virtual time."""
