"""Bodies of requests and answers, by family of routes."""
