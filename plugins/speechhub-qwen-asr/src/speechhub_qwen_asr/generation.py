"""Steered decoding: replaces ``generate`` of the model, which qwen-asr calls, for the time of one call.

It adds what qwen-asr has no options for: when to stop, how to sample, what to do with a text that was cut
off, and a callback for each token.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from transformers import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    StoppingCriteria,
    StoppingCriteriaList,
)

from speechhub_qwen_asr.loops import LONGEST_PATTERN, MIN_REPEATS, find_loop

END_IDS: Final = (151645, 151643)
"""Tokens that end a text. Source: generate() in qwen-asr's modeling_qwen3_asr.py."""
PAD_ID: Final = 151643
LOOK_EVERY: Final = 8
"""Steps between two checks for loops: a check costs little, but a step is short too."""
MAX_CONTINUATIONS: Final = 3
"""Continuations of a text that reaches its budget; four budgets hold more than a clip's speech can need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How to decode."""

    temperature: float = 0.0
    """0 takes the likeliest token each time."""
    repetition_penalty: float = 1.0
    stopped: Callable[[], bool] = lambda: False
    """Called before each token; decoding ends when it returns True."""
    on_token: Callable[[int], None] | None = None
    """Takes each token as it is decoded, including the end token; for a single clip."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What happened to the clips of one call, by their place in the batch."""

    looped: set[int] = field(default_factory=set)
    """Texts that looped; they are cut after the first repeat."""
    cut: set[int] = field(default_factory=set)
    """Texts that did not end even after all continuations."""
    continued: int = 0
    """How often a text that had reached its budget was continued."""


@contextmanager
def steered(model: Any, wish: Wish) -> Iterator[Outcome]:
    """Make *model* decode as wished; afterwards its own ``generate`` is back."""
    original, outcome = model.generate, Outcome()

    def generate(**inputs: Any) -> Any:
        return _Decoding(original, wish, outcome).run(inputs)

    model.generate = generate
    try:
        yield outcome
    finally:
        del model.generate


class _Decoding:
    """One call of ``generate``, with as many continuations as it needs."""

    def __init__(self, generate: Callable[..., Any], wish: Wish, outcome: Outcome) -> None:
        self._generate = generate
        self._wish = wish
        self._outcome = outcome

    def run(self, inputs: dict[str, Any]) -> Any:
        """Return the result of ``generate``, with complete texts in ``sequences``."""
        prompt_length = inputs["input_ids"].shape[1]
        rows = list(range(len(inputs["input_ids"])))
        result = self._step(inputs, rows, prompt_length)
        sequences = result.sequences
        for _ in range(MAX_CONTINUATIONS):
            rows = self._unfinished(sequences, prompt_length)
            if not rows or self._wish.stopped():
                break
            self._outcome.continued += len(rows)
            sequences = self._continue(inputs, sequences, rows, prompt_length)
        self._outcome.cut = set(self._unfinished(sequences, prompt_length))
        for row in self._outcome.looped:
            first = find_loop(_text(sequences[row, prompt_length:].tolist()))
            if first is not None:
                sequences[row, prompt_length + first :] = PAD_ID
        result.sequences = sequences
        return result

    def _continue(
        self, inputs: dict[str, Any], sequences: torch.Tensor, rows: list[int], prompt_length: int
    ) -> torch.Tensor:
        """Continue the texts in *rows* that were cut off; their text so far joins the prompt."""
        # These rows have no padding at their right: only an end token or a loop ends a row early.
        chosen = {name: value[rows] for name, value in inputs.items() if isinstance(value, torch.Tensor)}
        mask = chosen["attention_mask"]
        grown = sequences.shape[1] - mask.shape[1]
        chosen["input_ids"] = sequences[rows]
        chosen["attention_mask"] = torch.cat([mask, mask.new_ones(len(rows), grown)], dim=1)
        chosen["max_new_tokens"] = inputs["max_new_tokens"]
        longer = self._step(chosen, rows, prompt_length).sequences
        whole = sequences.new_full((len(sequences), longer.shape[1]), PAD_ID)
        whole[:, : sequences.shape[1]] = sequences
        whole[rows] = longer
        return whole

    def _step(self, inputs: dict[str, Any], rows: list[int], prompt_length: int) -> Any:
        wish = self._wish
        extra: dict[str, Any] = {
            "pad_token_id": PAD_ID,
            "stopping_criteria": StoppingCriteriaList(
                [_Stop(wish.stopped), _Loop(self._outcome.looped, rows, prompt_length)]
            ),
        }
        if wish.temperature > 0:
            extra |= {"do_sample": True, "temperature": wish.temperature}
        if wish.repetition_penalty > 1:
            # Not the option of generate, which also penalizes the prompt, and with it the end token.
            punish = RepetitionPenaltyLogitsProcessor(
                wish.repetition_penalty, prompt_ignore_length=prompt_length
            )
            extra["logits_processor"] = LogitsProcessorList([punish])
        if wish.on_token is not None:
            extra["streamer"] = _Streamer(wish.on_token)
        return self._generate(**inputs, **extra)

    def _unfinished(self, sequences: torch.Tensor, prompt_length: int) -> list[int]:
        return [
            row
            for row, tokens in enumerate(sequences[:, prompt_length:].tolist())
            if row not in self._outcome.looped and not set(END_IDS) & set(tokens)
        ]


def _text(tokens: list[int]) -> list[int]:
    """Return the tokens before the first that ends the text."""
    end = next((place for place, token in enumerate(tokens) if token in END_IDS), len(tokens))
    return tokens[:end]


class _Stop(StoppingCriteria):  # type: ignore[misc]  # transformers is not installed where types are checked
    """Ends all texts when the result is no longer wanted."""

    def __init__(self, stopped: Callable[[], bool]) -> None:
        self._stopped = stopped

    def __call__(self, input_ids: torch.Tensor, _scores: Any, **_: Any) -> torch.Tensor:
        return torch.full((len(input_ids),), self._stopped(), device=input_ids.device)


class _Loop(StoppingCriteria):  # type: ignore[misc]  # transformers is not installed where types are checked
    """Ends the texts that loop, and records which they are."""

    def __init__(self, looped: set[int], rows: list[int], prompt_length: int) -> None:
        self._looped = looped
        self._rows = rows
        self._prompt_length = prompt_length
        self._steps = 0

    def __call__(self, input_ids: torch.Tensor, _scores: Any, **_: Any) -> torch.Tensor:
        done = torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)
        self._steps += 1
        if self._steps % LOOK_EVERY:
            return done
        first = max(self._prompt_length, input_ids.shape[1] - LONGEST_PATTERN * MIN_REPEATS)
        for place, tokens in enumerate(input_ids[:, first:].tolist()):
            # Padding after the end is no loop.
            if not set(END_IDS) & set(tokens) and find_loop(tokens) is not None:
                self._looped.add(self._rows[place])
                done[place] = True
        return done


class _Streamer:
    """Passes tokens on, as a streamer of transformers; the prompt, which comes first, is left out."""

    def __init__(self, on_token: Callable[[int], None]) -> None:
        self._on_token = on_token
        self._prompt_seen = False

    def put(self, value: torch.Tensor) -> None:
        """Take the prompt, and then token after token."""
        if self._prompt_seen:
            for token in value.flatten().tolist():
                self._on_token(int(token))
        self._prompt_seen = True

    def end(self) -> None:
        """Do nothing: the caller knows when ``generate`` returns."""
