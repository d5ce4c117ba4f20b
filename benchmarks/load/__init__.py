"""The load test: many clients with valid, invalid and abandoned requests, and a watch on the server."""
