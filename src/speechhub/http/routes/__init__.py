"""One controller for each family of routes; handlers read their input, call one service and return."""
