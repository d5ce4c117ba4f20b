"""The library of custom voices: recordings of speakers for engines that clone, and the speakers' consents."""

from speechhub.voices.library import VoiceLibrary
from speechhub.voices.records import Consent, CustomVoice

__all__ = ["Consent", "CustomVoice", "VoiceLibrary"]
