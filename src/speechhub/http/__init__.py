"""The HTTP edge: OpenAI's shapes in and out. `app` builds the application in front of a hub."""
