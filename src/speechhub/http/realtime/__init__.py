"""OpenAI's Realtime protocol: events, the session object, and their translation into calls of services."""
