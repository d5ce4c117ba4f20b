"""Wyoming, the protocol of Home Assistant's voice assistants: speech to text and text to speech over TCP.

Source: the package ``wyoming`` 1.10, and the integration of Home Assistant 2026.11.
"""
