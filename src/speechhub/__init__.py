"""speechhub: one server for speech to text and text to speech, with OpenAI's audio API."""

__version__ = "0.1.0"
