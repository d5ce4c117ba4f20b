"""Live transcription: checks what clients want, and opens their sessions."""

from speechhub.codecs.encode import MAX_RATE, MIN_RATE
from speechhub.errors import InvalidValueError
from speechhub.metrics import Metrics
from speechhub.pools import Pools
from speechhub.runner import Runner
from speechhub.services.account import Account
from speechhub.services.catalog import Catalog
from speechhub.services.live.finals import FinalTools
from speechhub.services.live.session import LiveTranscription
from speechhub.services.live.settings import LiveSettings
from speechhub.services.transcription import TranscriptionService


class LiveService:
    """Transcribes while somebody speaks; one for the life of the server."""

    def __init__(
        self,
        catalog: Catalog,
        runner: Runner,
        transcription: TranscriptionService,
        *,
        request_timeout_s: float,
        partials: bool = True,
        partial_interval_s: float = 1.0,
        account: Account | None = None,
        pools: Pools | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """Prepare; nothing is loaded.

        Args:
            catalog: The models.
            runner: Runs them.
            transcription: Transcribes committed utterances, exactly as uploads.
            request_timeout_s: Longest time from a commit until its transcript.
            partials: Whether to transcribe while somebody speaks.
            partial_interval_s: Shortest time between two partial results.
            account: Where long audio is accounted for.
            pools: The threads.
            metrics: Where to count.
        """
        self._runner = runner
        self._partial_interval_s = partial_interval_s if partials else None
        self._transcription = transcription
        self._account = account or Account()
        self._tools = FinalTools(
            catalog=catalog,
            transcription=transcription,
            pool=(pools or Pools()).live,
            metrics=metrics or Metrics(),
            request_timeout_s=request_timeout_s,
        )

    def check(self, settings: LiveSettings) -> None:
        """Check what a client wants; nothing is loaded for that.

        Raises:
            ModelNotFoundError: No such model transcribes; `param` is ``model``.
            InvalidValueError: The model cannot do it, or a value is out of its range; `param` names the
                field of the settings.
        """
        self._transcription.check(settings.job())
        if not MIN_RATE <= settings.sample_rate <= MAX_RATE:
            raise InvalidValueError(
                f"The sample rate must be {MIN_RATE} to {MAX_RATE} Hz, not {settings.sample_rate}.",
                param="sample_rate",
            )

    def open(self, settings: LiveSettings) -> LiveTranscription:
        """Begin a session; close it when the client leaves.

        Raises:
            ModelNotFoundError, InvalidValueError: As for `check`.
        """
        self.check(settings)
        return LiveTranscription(
            self._runner,
            self._tools,
            settings,
            partial_interval_s=self._partial_interval_s,
            account=self._account,
        )
