"""What the hub knows of GPUs: devices, memory, warnings and leaks; through the driver's NVML, never torch."""
