"""The two hooks change what they should, and can be taken away."""

import numpy as np
import pytest
import torch
from qwen_asr import Qwen3ASRModel

from speechhub_qwen_asr.hooks import keep_encoder_windows, score_last_position_only

from .conftest import TEXT, tone

WINDOW_FRAMES = 800


@pytest.fixture
def features():
    """Mel frames of 20 s of noise: two windows of 8 s, and a half."""
    return torch.from_numpy(np.random.default_rng(1).normal(0, 1, (128, 2000)).astype(np.float32))


def encode(tower, features):
    with torch.no_grad():
        return tower(features, feature_lens=torch.tensor([features.shape[1]])).last_hidden_state


def error_of(found, wanted):
    return float((found - wanted).norm() / wanted.norm())


def test_windows_are_encoded_by_themselves(checkpoints, features):
    """With the hook, a long clip is encoded like its windows one by one; as qwen-asr comes, it is not."""
    asr = Qwen3ASRModel.from_pretrained(str(checkpoints("random")), dtype=torch.float32)
    tower = asr.model.thinker.audio_tower
    parts = [encode(tower, part) for part in features.split(WINDOW_FRAMES, dim=1)]
    wanted, shipped = torch.cat(parts), encode(tower, features)

    hooks = keep_encoder_windows(tower)
    fixed = encode(tower, features)
    hooks.remove()

    # Once the first of these fails, qwen-asr has fixed it: then the hook can go.
    assert error_of(shipped, wanted) > 0.01
    assert error_of(fixed, wanted) < 1e-4
    assert torch.equal(encode(tower, features), shipped)


def test_scores_are_computed_for_the_last_position_only(checkpoints):
    """The text is the same, and no row is computed that is not read."""
    asr = Qwen3ASRModel.from_pretrained(str(checkpoints("script")), dtype=torch.float32)
    rows = []
    asr.model.thinker.lm_head.register_forward_hook(lambda _head, _args, out: rows.append(out.shape[1]))
    audio = [(tone().samples.copy(), 16_000)]
    assert asr.transcribe(audio)[0].text == TEXT
    assert max(rows) > 30, "qwen-asr does it by itself now: the hook can go"
    rows.clear()

    hooks = score_last_position_only(asr.model.thinker.lm_head)

    assert asr.transcribe(audio)[0].text == TEXT
    assert set(rows) == {1}
    hooks.remove()
    assert asr.transcribe(audio)[0].text == TEXT
    assert max(rows) > 30


def test_a_loaded_engine_has_them(plain_engine):
    """Both are in place in what the hub runs."""
    thinker = plain_engine._asr.model.thinker

    assert thinker.lm_head._forward_pre_hooks
    assert all(layer._forward_pre_hooks for layer in thinker.audio_tower.layers)
