"""Worker processes: one engine each, at the far end of a socket.

`protocol` and `values` define the wire format; `bootstrap`, `child` and `failures` run in the worker, with
only the standard library and numpy. The rest is the hub's side, best read in this order: `process` and
`output` are the process and its pipes, `channel` and `conversation` are the messages, `life` joins them until
they end, and `host` has the `Worker` that other packages use.
"""
