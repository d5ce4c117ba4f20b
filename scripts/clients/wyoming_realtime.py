"""wyoming_openai with models of the Realtime API, asked by a client for Wyoming."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from calls import SPEECH, SPEED, WRONG_KEY, UnexpectedAnswerError, call, check
from wyoming_bridge import SENTENCES, BridgeError, bridge

MODELS = (
    *("--languages", "en", "de"),
    *("--stt-realtime-models", "gpt-live-transcribe", "no-such-model"),
    *("--tts-realtime-models", "gpt-realtime", "no-such-model"),
    *("--tts-streaming-models", "gpt-realtime"),
    *("--tts-voices", "alloy", "no-such-voice"),
)
WRONG = ("API key", "invalid_api_key")
"""What the error says, and what the reason of the close that follows it does."""
HEARD, SPOKEN = "gpt-live-transcribe", "alloy (gpt-realtime)"


@contextmanager
def told(what: str, *texts: str) -> Iterator[None]:
    """Report a call that has to fail with one of the server's *texts* in the bridge's error or log."""
    with call(f"{what}: error"):
        try:
            yield
        except BridgeError as error:
            check(any(text in error.log for text in texts), error)
        else:
            raise UnexpectedAnswerError("was not refused")


async def transcripts() -> list[str]:
    """Return the text of each utterance; a Wyoming client tells itself where one ends."""
    async with bridge(*MODELS) as started:
        paths = sorted(SPEECH.parent.glob("utterance-*.wav"))
        return [(await started.transcribe(path, HEARD, speed=SPEED))[0] for path in paths]


async def main() -> None:
    """Call everything."""
    async with bridge(*MODELS) as started:
        with call("transcribe, realtime"):
            text, _ = await started.transcribe(SPEECH, HEARD)
            check(text, "no text")
        with call("transcribe, realtime, language"):
            text, _ = await started.transcribe(SPEECH, HEARD, language="de")
            check(text, "no text")
        with call("synthesize, realtime"):
            whole_s = await started.synthesize(SENTENCES, SPOKEN)
            check(whole_s > 1, whole_s)
        with call("synthesize, realtime, stream"):
            streamed_s = await started.stream(SENTENCES, SPOKEN)
            check(whole_s / 2 < streamed_s < whole_s * 1.5, (whole_s, streamed_s))
        with told("transcribe, realtime, unknown model", "no-such-model"):
            await started.transcribe(SPEECH, "no-such-model")
        with told("synthesize, realtime, unknown voice", "no-such-voice"):
            await started.synthesize(SENTENCES, "no-such-voice (gpt-realtime)")
    async with bridge(*MODELS, key=WRONG_KEY) as started:
        with told("transcribe, realtime, wrong key", *WRONG):
            await started.transcribe(SPEECH, HEARD)
        with told("synthesize, realtime, wrong key", *WRONG):
            await started.synthesize(SENTENCES, SPOKEN)


if __name__ == "__main__":
    asyncio.run(main())
