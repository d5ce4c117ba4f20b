"""Resampling: whole or as a stream, the same sound at another rate."""

import numpy as np
import pytest
from recordings import tone

from speechhub.codecs.resample import StreamResampler, resample
from speechhub.domain.audio import Audio


@pytest.mark.parametrize(
    ("source_rate", "sample_rate"), [(22_050, 24_000), (24_000, 16_000), (8_000, 48_000)]
)
def test_stream_gives_what_the_whole_gives(source_rate, sample_rate):
    samples = tone(1, source_rate)
    stream = StreamResampler(source_rate, sample_rate)

    streamed = np.concatenate(
        [*(stream.process(part) for part in np.array_split(samples, 17)), stream.finish()]
    )
    whole = resample(Audio(samples=samples, sample_rate=source_rate), sample_rate)

    assert whole.sample_rate == sample_rate
    assert len(streamed) == len(whole.samples) == sample_rate
    assert np.abs(streamed - whole.samples).max() < 1e-3
    assert np.abs(whole.samples[1000:-1000] - tone(1, sample_rate)[1000:-1000]).max() < 1e-3


def test_same_rate_costs_nothing():
    audio = Audio(samples=tone(), sample_rate=16_000)
    stream = StreamResampler(16_000, 16_000)

    assert resample(audio, 16_000) is audio
    assert stream.process(audio.samples) is audio.samples
    assert len(stream.finish()) == 0
