"""Worker processes: one engine each, at the far end of a socket.

`protocol` and `values` are the wire; `bootstrap`, `child` and `failures` run in the worker, on the standard
library and numpy alone. The rest is the hub's side, best read in this order: `process` and `output` are what
the operating system knows, `channel` and `conversation` what is said, `life` joins them until their end, and
`host` has the `Worker` that others use.
"""
