"""Hooks that give Schemathesis audio, model names and OpenAI's description of events.

schemathesis imports it (SCHEMATHESIS_HOOKS), in an environment that holds nothing of ours. AUDIO names a
recording. One body in four stays as it was made.
"""

import json
import os
import zlib
from pathlib import Path
from typing import Any

import schemathesis  # type: ignore[import-not-found]  # of its own environment

RECORDING = Path(os.environ["AUDIO"]).read_bytes()
IMPOSSIBLE = ("include", "known_speaker_names", "known_speaker_references")
"""Operations that no engine here supports."""


@schemathesis.hook  # type: ignore[untyped-decorator]
def map_body(context: Any, body: Any) -> Any:
    """Put usable values in the place of hopeless ones."""
    if not isinstance(body, dict) or (chance := zlib.crc32(repr(body).encode())) % 4 == 0:
        return body
    kept = {name: value for name, value in body.items() if name not in IMPOSSIBLE}
    speaks = context.operation.path.endswith("/speech")
    if "file" in kept and not speaks:
        kept["file"] = RECORDING if chance % 16 else RECORDING[: chance % len(RECORDING)]
    if "model" in kept:
        kept["model"] = "tts-1" if speaks else "whisper-1"
    if kept.get("response_format") == "diarized_json":
        kept["response_format"] = "verbose_json"
    usable = {"voice": "alloy", "language": "en", "languages": ["en"]}
    return kept | {name: value for name, value in usable.items() if name in kept}


@schemathesis.deserializer("text/event-stream")  # type: ignore[untyped-decorator]
def events(_context: Any, response: Any) -> list[Any]:
    """Return the JSON in each event: that is what OpenAI's description describes, and ours after it."""
    *lines, done, end = response.content.decode().split("\n\n")
    if (done, end) != ("data: [DONE]", ""):
        raise ValueError(f"the stream ends with {done!r}")
    return [json.loads(line.removeprefix("data: ")) for line in lines if not line.startswith(":")]
