"""The device memory that an engine holds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceMemory:
    """Device memory that an engine holds between two calls, as its allocator counts it."""

    allocated_bytes: int
    """In use: weights, caches, and all that was not freed. Growth from call to call is a leak."""
    reserved_bytes: int
    """Taken from the device, including what the allocator keeps for later; at least `allocated_bytes`."""
