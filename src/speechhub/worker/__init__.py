"""Worker processes: one engine each, at the far end of a socket.

`protocol` and `values` are the wire; `bootstrap`, `child` and `failures` run in the worker, on the standard
library and numpy alone; `process`, `output`, `channel` and `host` are the hub's side.
"""
