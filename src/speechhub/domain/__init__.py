"""Values used throughout speechhub; no I/O, standard library and numpy only."""
