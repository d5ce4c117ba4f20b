"""IndexTTS as it is checked; the factories that a worker imports."""

from gpu_check.pretended import on_pretended_card
from gpu_check.timed import timed
from speechhub_indextts.engine import IndexTtsEngine

TimedEngine = timed(IndexTtsEngine, IndexTtsEngine)
PretendedEngine = on_pretended_card(TimedEngine)
