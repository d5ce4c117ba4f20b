"""Values that the whole of speechhub talks in; no I/O, standard library and numpy only."""
