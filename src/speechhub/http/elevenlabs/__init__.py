"""ElevenLabs' API for speech, as far as its clients need it: other shapes for the same services."""
