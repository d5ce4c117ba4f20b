"""What an engine says of the memory that it holds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceMemory:
    """Memory of its device that an engine holds between two calls, by its allocator's own books."""

    allocated_bytes: int
    """In use: weights, caches, whatever was not let go. Growth from call to call is a leak."""
    reserved_bytes: int
    """Taken from the device, what the allocator keeps for later included; at least `allocated_bytes`."""
