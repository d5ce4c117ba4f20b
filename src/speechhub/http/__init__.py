"""The HTTP edge: OpenAI's shapes in and out. `app` puts the whole program together."""
