"""What jobs of Wyoming need: a hub on fakes, and a client."""

from speechhub.engine import Slot, SttCapabilities, TtsCapabilities, Voice
from speechhub.gpu.monitor import NoGpus
from speechhub.hub import Hub
from speechhub.settings import Settings
from tests.fakes.placements import CPU, placement, placements
from tests.fakes.workers import Fleet

MODELS = placements(
    placement(
        "ears",
        device=CPU,
        capabilities=SttCapabilities(streaming=True, language_detection=True, hotwords=True),
        preference=2,
        languages=("en", "de"),
    ),
    placement("bare-ears", device=CPU, capabilities=SttCapabilities(longest_input_s=2)),
    placement(
        "mouth",
        slot=Slot.TTS,
        device=CPU,
        capabilities=TtsCapabilities(streaming=True),
        voices=(Voice(id="anna"), Voice(id="bert")),
        languages=("en",),
    ),
    placement("unread-mouth", slot=Slot.TTS, device=CPU, preference=-1),
)


class Client:
    """Takes what jobs send; events of one `send` stand together in `sends`."""

    def __init__(self):
        self.sends = []
        self.failure = None

    async def send(self, *eventables):
        if self.failure is not None:
            raise self.failure
        self.sends.append([it.event() for it in eventables])

    @property
    def events(self):
        return [event for events in self.sends for event in events]

    @property
    def types(self):
        """Types of the events, each stretch of one type once."""
        types = [event.type for event in self.events]
        return [it for place, it in enumerate(types) if not place or types[place - 1] != it]

    def of(self, kind):
        return [event for event in self.events if event.type == kind]


def hub_of(home, runner, **settings):
    """Return a hub that serves `MODELS` with *runner*."""
    settings = {
        "inspectable": True,
        "request_timeout_s": 5,
        "max_audio_s": 20,
        "max_input_chars": 200,
    } | settings
    return Hub.build(
        Settings(home=home, **settings), MODELS, starter=Fleet(), monitor=NoGpus(), runner=runner
    )
