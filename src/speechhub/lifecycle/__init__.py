"""Engines on devices: pure decisions (`scheduler`), and one owner that carries them out (`manager`)."""
