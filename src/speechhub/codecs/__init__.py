"""Audio in and out: decoding uploads, encoding speech, resampling, time-stretching, subtitles."""
