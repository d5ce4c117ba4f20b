"""Requests for every operation of the hub's OpenAPI document, and what of their answers must be equal."""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from deploy.ray.tests.cluster.demand import CLIP, clip

SPEECH = {"model": "tts-1", "voice": "alloy", "input": "Hello there.", "response_format": "wav"}
AUDIO = {"file": ("a.wav", CLIP)}
SAMPLE = clip(2.0)
"""Long enough for a voice."""
CONDITIONS = ("/health", "/v1/engines")
"""What these say changes by the second: only its form is compared."""
PROCESS = {"speechhub_open_files", "speechhub_open_files_limit", "speechhub_connection_limit"}
"""Metrics of the server's process around a single hub; in a cluster, connections are Ray's proxies'."""
MADE = re.compile(r"^(voice|cons|sess|ek|item|resp|event|req)_\w+$")
"""Ids and keys that are made anew."""
TIMES = frozenset({"created", "created_at", "expires_at", "uptime_s", "started_at", "since", "loaded_at"})
OWN = frozenset({"replica", "replicas", "state", "pid", "epoch", "memory_bytes", "rss_bytes"})
"""Fields whose values depend on the hub or on its machine's present state."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One request."""

    operation: str
    """Method and path as in the document."""
    path: str

    @property
    def method(self) -> str:
        return self.operation.partition(" ")[0]


class Story:
    """The requests, one after the other; later ones use what earlier ones made."""

    def __init__(self, client: httpx.Client, replica: str) -> None:
        """Talk to a hub, or to a cluster; operators' requests go to *replica*, which a single hub ignores."""
        self._client = client
        self._at = f"?replica={replica}"
        self.answers: list[tuple[Ask, httpx.Response]] = []

    def ask(self, operation: str, path: str = "", **body: Any) -> httpx.Response:
        ask = Ask(operation=operation, path=path or operation.partition(" ")[2])
        answer = self._client.request(ask.method, ask.path, **body)
        self.answers.append((ask, answer))
        return answer

    def made(self, operation: str, **body: Any) -> str:
        """Make something; return its id."""
        answer = self.ask(operation, **body)
        assert answer.status_code == 200, answer.text
        name: str = answer.json()["id"]
        return name

    def tell(self) -> None:
        """Send them all."""
        self._pages()
        self._work()
        self._voices()
        self._operate()

    def _pages(self) -> None:
        self.ask("GET /")
        self.ask("GET /page/{name}", "/page/page.js")
        self.ask("GET /page/{name}", "/page/none.js")
        for path in (
            "/schema",
            "/schema/openapi.json",
            "/health/live",
            "/health/ready",
            "/health",
            "/metrics",
        ):
            self.ask(f"GET {path}")
        self.ask("GET /v1/models")
        self.ask("GET /v1/models/{model_id}", "/v1/models/echo-stt")
        self.ask("GET /v1/models/{model_id}", "/v1/models/none")
        self.ask("DELETE /v1/models/{model_id}", "/v1/models/echo-stt")
        self.ask("GET /v1/audio/models")
        self.ask("GET nowhere", "/v1/nowhere")
        self.ask("PUT wrong", "/v1/models")

    def _work(self) -> None:
        for path in ("/v1/audio/speech", "/audio/speech", "/openai/deployments/echo-tts/audio/speech"):
            self.ask("POST /v1/audio/speech", path, json=SPEECH)
        self.ask("POST /v1/audio/speech", json=SPEECH | {"stream_format": "sse", "response_format": "pcm"})
        self.ask("POST /v1/audio/speech", json=SPEECH | {"model": "none"})
        self.ask("POST /v1/audio/speech", content=b"{")
        for path in ("transcriptions", "translations"):
            self.ask(f"POST /v1/audio/{path}", files=AUDIO, data={"model": "whisper-1"})
        for form in ("text", "srt", "vtt", "verbose_json", "none"):
            data = {"model": "whisper-1", "response_format": form}
            self.ask("POST /v1/audio/transcriptions", files=AUDIO, data=data)
        self.ask("POST /v1/audio/transcriptions", files=AUDIO, data={"model": "whisper-1", "stream": "true"})
        self.ask("POST /v1/audio/transcriptions", data={"model": "whisper-1"})
        for path in ("/openai/deployments/echo-stt/audio/transcriptions", "/openai/v1/audio/transcriptions"):
            self.ask("POST /v1/audio/transcriptions", path, files=AUDIO, data={"model": "whisper-1"})
        self.ask("POST /asr", "/asr?output=json", files={"audio_file": ("a.wav", CLIP)})
        self.ask("POST /detect-language", files={"audio_file": ("a.wav", CLIP)})
        for end in ("", "/stream", "/stream/with-timestamps"):
            path = f"/v1/text-to-speech/alloy{end}?output_format=pcm_16000"
            self.ask(f"POST /v1/text-to-speech/{{voice_id}}{end}", path, json={"text": "Hello there."})
        self.ask("POST /v1/text-to-speech/{voice_id}", "/v1/text-to-speech/none", json={"text": "Hello."})

    def _voices(self) -> None:
        sample = {"recording": ("a.wav", SAMPLE)}
        consents, voices = "/v1/audio/voice_consents", "/v1/audio/voices"
        consent = self.made(f"POST {consents}", files=sample, data={"name": "me", "language": "en"})
        self.ask(f"GET {consents}")
        self.ask(f"GET {consents}/{{consent_id}}", f"{consents}/{consent}")
        self.ask(f"POST {consents}/{{consent_id}}", f"{consents}/{consent}", json={"name": "you"})
        form = {"name": "mine", "consent": consent}
        voice = self.made(f"POST {voices}", files={"audio_sample": ("a.wav", SAMPLE)}, data=form)
        self.ask(f"GET {voices}")
        self.ask(f"GET {voices}/{{voice_id}}", f"{voices}/{voice}")
        self.ask("GET /v1/audio/speech/voices")
        self.ask("GET /v1/voices")
        self.ask("GET /v2/voices")
        self.ask("GET /v1/voices/{voice_id}", f"/v1/voices/{voice}")
        self.ask(f"DELETE {voices}/{{voice_id}}", f"{voices}/{voice}")
        self.ask(f"GET {voices}/{{voice_id}}", f"{voices}/none")
        self.ask(f"DELETE {consents}/{{consent_id}}", f"{consents}/{consent}")

    def _operate(self) -> None:
        self.ask("GET /v1/engines", f"/v1/engines{self._at}")
        self.ask("GET /v1/engines/story", f"/v1/engines/story{self._at}")
        model = {"model": "echo-tts"}
        switch = {"slot": "tts"}
        for action, body in (("load", model), ("switch", switch), ("pin", model), ("unpin", model)):
            self.ask(f"POST /v1/engines/{action}", f"/v1/engines/{action}{self._at}", json=body)
        self.ask("POST /v1/engines/unload", f"/v1/engines/unload{self._at}", json={"slot": "tts"})
        self.ask("POST /v1/realtime/client_secrets", json={})
        self.ask("POST /v1/realtime/transcription_sessions", json={})


def operations(document: dict[str, Any]) -> set[str]:
    """Return the operations of an OpenAPI document, as method and path."""
    return {
        f"{method.upper()} {path}"
        for path, item in document["paths"].items()
        for method in item
        if method in {"get", "post", "put", "delete", "patch"}
    }


def comparable(ask: Ask, answer: httpx.Response) -> tuple[int, str, object]:
    """Return status, content type, and what of the body must be equal."""
    kind = answer.headers.get("content-type", "")
    if ask.path == "/metrics":
        found = {it.name for it in text_string_to_metric_families(answer.text)} - PROCESS
        body: object = sorted(name for name in found if not name.endswith("_created"))
    elif ask.path.partition("?")[0] in CONDITIONS:
        body = names_in(answer.json())
    elif ask.operation == "GET /v1/engines/story":
        body = sorted(answer.json())
    elif "json" in kind and "ndjson" not in kind:
        body = settled(answer.json())
    elif kind.startswith(("text/event-stream", "application/x-ndjson")):
        body = "".join(_joined(answer.text))
    else:
        body = answer.content
    return answer.status_code, kind, body


def names_in(value: dict[str, Any]) -> list[str]:
    """Return the names of a JSON object's values, and of those of the models that it lists."""
    models = value.get("models") or value.get("data") or ()
    return [*sorted(value), *(name for model in models for name in sorted(model))]


def settled(value: object, key: str = "") -> object:
    """Return a JSON value without what differs from hub to hub, and from one second to the next."""
    if key in OWN or key in TIMES or key.endswith(("_s", "_ms", "_bytes")):
        return f"some {key}"
    if isinstance(value, dict):
        return {name: settled(it, name) for name, it in value.items()}
    if isinstance(value, list):
        return [settled(it) for it in value]
    return "made" if isinstance(value, str) and MADE.match(value) else value


def _joined(text: str) -> Iterator[str]:
    """Yield the texts, and the audio, of a stream's events: how they are cut depends on the moment."""
    for line in text.splitlines():
        data = line.removeprefix("data: ")
        if not data.startswith("{"):
            continue
        event = json.loads(data)
        yield str(event.get("delta", ""))
        for name in ("audio", "audio_base64"):
            yield base64.b64decode(event.get(name) or "").hex()
