"""GPUs as the hub sees them: devices, memory, warnings and leaks; through NVML, never torch."""
