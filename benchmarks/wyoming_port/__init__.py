"""The hub's port for Home Assistant, beside the servers that people run today."""
