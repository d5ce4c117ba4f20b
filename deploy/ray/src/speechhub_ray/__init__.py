"""Ray Serve in front of many hubs, one for each GPU."""
