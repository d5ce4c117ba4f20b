"""Open WebUI's own router for audio, without the rest of Open WebUI.

The router, its session of aiohttp and its matching of types are the wheel's; stand-ins take the places of
settings, database, events and users, so that the hundreds of packages that these need stay out.
"""

import asyncio
import importlib
import json
import logging
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

from calls import AUDIO, KEY, LONG_AUDIO, TEXT, URL, WRONG_KEY, call, check, is_mp3, refused
from fastapi import APIRouter, FastAPI  # type: ignore[import-not-found]
from httpx import ASGITransport, AsyncClient, Response

ROUTER = "open_webui.routers.audio"
SETTINGS = {
    "audio.stt.engine": "openai",
    "audio.stt.openai.api_base_url": URL,
    "audio.stt.openai.api_key": KEY,
    "audio.stt.model": "whisper-1",
    "audio.tts.engine": "openai",
    "audio.tts.openai.api_base_url": URL,
    "audio.tts.openai.api_key": KEY,
    "audio.tts.model": "tts-1",
    "audio.tts.voice": "alloy",
}
"""What an administrator enters, by the names of Open WebUI's database."""


class Config:
    """Open WebUI's settings, which it keeps in a database."""

    values: ClassVar[dict[str, Any]] = dict(SETTINGS)

    @classmethod
    async def get(cls, key: str, default: object = None) -> Any:
        """Return one setting."""
        return cls.values.get(key, default)


class RefusedError(Exception):
    """The router answered with an error; the status is what the server told it, where it logged that."""

    def __init__(self, answer: Response, met: int | None) -> None:
        super().__init__(answer.text)
        self.status = met or answer.status_code


class LastStatus(logging.Handler):
    """Keeps the status of the answer that the router logged last."""

    met: int | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the status of a logged exception."""
        if record.exc_info:
            self.met = getattr(record.exc_info[1], "status", self.met)


def stand_in(name: str, **values: object) -> None:
    """Put a module in the place of one of Open WebUI's."""
    module = ModuleType(name)
    module.__dict__.update(values)
    sys.modules[name] = module


async def nothing(*_: object, **__: object) -> None:
    """Publish no event."""


async def signed_in() -> SimpleNamespace:
    """Return the user who is signed in."""
    return SimpleNamespace(id="1", role="admin")


def loaded_router(cache: Path) -> ModuleType:
    """Import the router among stand-ins for what it takes from the rest; values are Open WebUI's defaults."""
    folder = Path(sysconfig.get_paths()["purelib"]) / "open_webui"
    stand_in("open_webui", __path__=[str(folder)])
    stand_in(
        "open_webui.config",
        CACHE_DIR=cache,
        DEFAULT_REALTIME_TTS_PROMPT_TEMPLATE="",
        ELEVENLABS_API_BASE_URL="",
        WHISPER_COMPUTE_TYPE="int8",
        WHISPER_LANGUAGE="",
        WHISPER_MODEL_AUTO_UPDATE=False,
        WHISPER_MODEL_DIR="",
        WHISPER_MULTILINGUAL=False,
        WHISPER_VAD_FILTER=False,
    )
    stand_in(
        "open_webui.env",
        AIOHTTP_CLIENT_SESSION_SSL=True,
        AIOHTTP_CLIENT_STREAM_IDLE_TIMEOUT=None,
        AIOHTTP_CLIENT_TIMEOUT=None,
        AIOHTTP_CLIENT_TIMEOUT_MODEL_LIST=10,
        AIOHTTP_FILE_STREAM_CHUNK_SIZE=1024 * 1024,
        AIOHTTP_POOL_CONNECTIONS=None,
        AIOHTTP_POOL_CONNECTIONS_PER_HOST=None,
        AIOHTTP_POOL_DNS_TTL=300,
        BYPASS_PYDUB_PREPROCESSING=False,
        CHAT_STREAM_RESPONSE_CHUNK_MAX_BUFFER_SIZE=None,
        DEVICE_TYPE="cpu",
        ENABLE_FORWARD_USER_INFO_HEADERS=False,
        ENV="prod",
        USE_SLIM=False,
    )
    events = SimpleNamespace(AUDIO_SPEECH_REQUESTED="", AUDIO_TRANSCRIPTION_REQUESTED="")
    stand_in("open_webui.events", EVENTS=events, publish_event=nothing)
    stand_in("open_webui.models.config", Config=Config)
    stand_in("open_webui.utils.access_control", has_permission=nothing)
    stand_in("open_webui.utils.auth", get_admin_user=signed_in, get_verified_user=signed_in)
    stand_in("open_webui.utils.headers", include_user_info_headers=nothing)
    stand_in("open_webui.utils.json_codec", JSONCodec=json)
    stand_in(f"{ROUTER}.realtime", router=APIRouter())
    return importlib.import_module(ROUTER)


class Page:
    """Asks the router as Open WebUI's page does."""

    def __init__(self, client: AsyncClient, logged: LastStatus) -> None:
        self._client = client
        self._logged = logged
        self._count = 0

    async def speak(self, voice: str | None = None, **settings: object) -> Response:
        """Return speech; each text is another, because the router keeps what it was answered."""
        self._count += 1
        body = {"input": f"{TEXT} {self._count}."} | ({"voice": voice} if voice else {})
        return await self._asked("/speech", settings, json=body)

    async def hear(self, path: Path = AUDIO, *, language: str = "", **settings: object) -> str:
        """Return the text of a recording."""
        form = {"language": language} if language else {}
        with path.open("rb") as file:
            files = {"file": (path.name, file, "audio/wav")}
            answer = await self._asked("/transcriptions", settings, files=files, data=form)
        return str(answer.json()["text"])

    async def _asked(self, path: str, settings: Mapping[str, object], **content: Any) -> Response:
        """Return an answer under other settings, whose names have __ for dots.

        Raises:
            RefusedError: It is an error.
        """
        changed = {f"audio.{name.replace('__', '.')}": value for name, value in settings.items()}
        Config.values = SETTINGS | changed
        self._logged.met = None
        answer = await self._client.post(path, **content)
        if answer.is_error:
            raise RefusedError(answer, self._logged.met)
        return answer


async def main() -> None:
    """Call everything."""
    router = loaded_router(Path.cwd())
    app = FastAPI()
    app.include_router(router.router)
    logged = LastStatus()
    logging.getLogger(ROUTER).addHandler(logged)
    async with AsyncClient(transport=ASGITransport(app), base_url="http://open-webui") as client:
        await calls(Page(client, logged), router)
    await sys.modules["open_webui.utils.session_pool"].close_session()


async def calls(page: Page, router: ModuleType) -> None:
    """Call everything."""
    with call("speech, tts-1"):
        check(is_mp3((spoken := await page.speak()).content), spoken.content[:20])
    with call("speech, own id and voice with params"):
        spoken = await page.speak(
            "high", tts__model="echo-tts", tts__openai__params={"response_format": "mp3"}
        )
        check(is_mp3(spoken.content), spoken.content[:20])
    with call("transcription, whisper-1"):
        check(await page.hear(), "no text")
    with call("transcription, language"):
        check(await page.hear(language="de"), "no text")
    with call("transcription, json"):
        check(await page.hear(stt__openai__api_request_format="json"), "no text")
    with refused("speech, unknown voice", 400):
        await page.speak("no-such-voice")
    with refused("speech, wrong key", 401):
        await page.speak(tts__openai__api_key=WRONG_KEY)
    with refused("transcription, unknown model", 404):
        await page.hear(stt__model="no-such-model")
    with refused("transcription, too large", 413):
        await page.hear(LONG_AUDIO)
    with refused("transcription, too large as json", 413):
        await page.hear(LONG_AUDIO, stt__openai__api_request_format="json")
    with refused("transcription, wrong key", 401):
        await page.hear(stt__openai__api_key=WRONG_KEY)
    # The slim image converts nothing, and hands on what comes with its Content-Type.
    router.USE_SLIM = router.BYPASS_PYDUB_PREPROCESSING = True  # type: ignore[attr-defined]
    with call("speech, slim image"):
        spoken = await page.speak(tts__model="echo-tts")
        check(spoken.headers["content-type"] == "audio/wav" and spoken.content.startswith(b"RIFF"), spoken)


if __name__ == "__main__":
    asyncio.run(main())
