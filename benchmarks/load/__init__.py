"""The load test: many clients, good and bad and gone too soon, and a look at the server from outside."""
