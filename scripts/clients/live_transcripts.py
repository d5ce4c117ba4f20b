"""Transcripts of CLIENTS_SPEECH by the client that CLIENTS_NAME names, for scripts/check_live_clients.py."""

import asyncio
import importlib
import json
import os

from calls import report

MODULES = {
    "openai-python": "openai_python_realtime",
    "openai-agents": "openai_agents",
    "livekit": "livekit_realtime",
    "pipecat": "pipecat_realtime",
    "wyoming-openai": "wyoming_realtime",
}
"""The script of each client, which has a function for this beside its calls."""


def main() -> None:
    """Print the transcripts, one for each utterance."""
    name = os.environ["CLIENTS_NAME"]
    try:
        texts = asyncio.run(importlib.import_module(MODULES[name]).transcripts())
    except Exception as error:  # noqa: BLE001 - each client has exceptions of its own
        report("transcripts", f"{type(error).__name__}: {error}")
    else:
        print(json.dumps({"call": "transcripts", "error": "", "texts": texts}), flush=True)


if __name__ == "__main__":
    main()
