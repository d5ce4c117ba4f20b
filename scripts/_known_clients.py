"""The packages that scripts/check_clients.py runs: their versions, and the scripts that call them."""

from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent / "clients"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client at one version."""

    name: str
    title: str
    """Its name in the table."""
    packages: tuple[str, ...]
    """What is installed, as ``NAME==VERSION``; the table shows the versions."""
    scripts: tuple[str, ...]
    """What runs one after the other in the environment of the packages."""
    others: tuple[str, ...] = ()
    """Further requirements; for Node, none."""
    alone: tuple[str, ...] = ()
    """Those of all that are installed without what they ask for."""
    python: str = "3.11"
    """Oldest Python that the packages take."""
    python_end: str = "4.0"
    """First Python that the packages do not take."""
    node: int = 0
    """Oldest Node that the packages take; 0 for Python's."""
    tls: bool = False
    """Whether it insists on TLS for some of its calls."""
    each_run: bool = False
    """Whether each run of CI runs it."""

    @property
    def pins(self) -> Path:
        """Return the file, for Node the folder, that holds the exact versions of everything."""
        return SCRIPTS / "npm" / self.name if self.node else SCRIPTS / "requirements" / f"{self.name}.txt"


def clients() -> tuple[Client, ...]:
    """Return all clients in the order of the table."""
    return (
        Client(
            name="openai-python",
            title="OpenAI for Python",
            packages=("openai==3.57.0",),
            others=("openai[realtime]",),
            scripts=("openai_python.py", "openai_python_realtime.py"),
            each_run=True,
        ),
        Client(
            name="openai-python-oldest",
            title="OpenAI for Python, the first with `audio.speech`",
            packages=("openai==1.1.0",),
            others=("httpx<0.28",),  # 0.28 dropped an argument that openai passed until 1.55.3
            scripts=("openai_python.py",),
        ),
        Client(
            name="openai-agents",
            title="OpenAI's agents for Python",
            packages=("openai-agents==0.24.0",),
            others=("openai-agents[voice]",),
            scripts=("openai_agents.py",),
            each_run=True,
        ),
        Client(
            name="openai-node",
            title="OpenAI for JavaScript",
            packages=("openai@7.59.0", "ws@8.23.0"),
            scripts=("openai_node.mjs", "openai_node_realtime.mjs"),
            tls=True,
            node=22,
            each_run=True,
        ),
        Client(
            name="openai-node-oldest",
            title="OpenAI for JavaScript, the first with `audio.speech`",
            packages=("openai@4.16.0",),
            scripts=("openai_node.mjs",),
            node=18,
        ),
        Client(
            name="ai-sdk",
            title="Vercel's AI SDK",
            packages=("ai@7.0.173", "@ai-sdk/openai@4.0.118", "@ai-sdk/groq@4.0.84"),
            scripts=("ai_sdk.mjs", "ai_sdk_realtime.mjs"),
            node=22,
            each_run=True,
        ),
        Client(
            name="ai-sdk-6",
            title="Vercel's AI SDK, the version before",
            packages=("ai@6.0.326", "@ai-sdk/openai@3.0.141", "@ai-sdk/groq@3.0.71"),
            scripts=("ai_sdk.mjs",),
            node=20,
        ),
        Client(
            name="livekit",
            title="LiveKit agents",
            packages=(
                *("livekit-agents==1.8.9", "livekit-plugins-openai==1.8.9"),
                "livekit-plugins-elevenlabs==1.8.9",
            ),
            scripts=("livekit_agents.py", "livekit_realtime.py", "livekit_elevenlabs.py"),
            each_run=True,
        ),
        Client(
            name="pipecat",
            title="Pipecat",
            packages=("pipecat-ai==1.14.0",),
            others=("pipecat-ai[elevenlabs,openai]",),
            scripts=("pipecat_services.py", "pipecat_realtime.py", "pipecat_elevenlabs.py"),
            each_run=True,
        ),
        Client(
            name="elevenlabs",
            title="ElevenLabs for Python",
            packages=("elevenlabs==2.78.0",),
            scripts=("elevenlabs_sdk.py",),
            tls=True,
            each_run=True,
        ),
        Client(name="litellm", title="LiteLLM", packages=("litellm==1.110.2",), scripts=("litellm_sdk.py",)),
        Client(
            name="speech-recognition",
            title="SpeechRecognition",
            packages=("SpeechRecognition==3.17.0",),
            others=("SpeechRecognition[openai]",),
            scripts=("speech_recognition_openai.py",),
        ),
        Client(name="groq", title="Groq for Python", packages=("groq==1.7.0",), scripts=("groq_python.py",)),
        Client(
            name="wyoming-openai",
            title="wyoming_openai, with a Wyoming client",
            packages=("wyoming-openai==0.8.0", "wyoming==1.10.2"),
            scripts=("wyoming_bridge.py", "wyoming_realtime.py"),
            python="3.12",
            each_run=True,
        ),
        Client(
            name="wyoming-bench",
            title="wyoming-bench",
            packages=("wyoming-bench==2026.10.0", "wyoming==1.10.2"),
            scripts=("wyoming_bench.py",),
            each_run=True,
        ),
        Client(
            name="open-webui",
            title="Open WebUI's router for audio",
            packages=("open-webui==0.12.4",),
            alone=("open-webui==0.12.4",),
            others=(
                *("aiofiles==25.1.0", "aiohttp==3.14.5", "fastapi==0.136.3", "httpx==0.28.1"),
                *("pydub==0.25.1", "python-mimeparse==2.0.0", "python-multipart==0.0.32"),
            ),
            scripts=("open_webui_audio.py",),
            python_end="3.13",
        ),
    )
