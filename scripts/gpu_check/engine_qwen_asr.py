"""Qwen3-ASR as it is checked; the factories that a worker imports."""

from gpu_check.pretended import on_pretended_card
from gpu_check.timed import timed
from speechhub_qwen_asr.ears import Ears
from speechhub_qwen_asr.engine import QwenAsrEngine

TimedEngine = timed(QwenAsrEngine, Ears)
PretendedEngine = on_pretended_card(TimedEngine)
