"""WebSockets: what stands between an accepted connection and the protocol that is spoken over it.

`socket` reads and writes one connection, `session` runs one client's conversation within its limits,
`open_sessions` counts those of the server and ends them, `farewells` has the reasons why the server ends one.
"""
