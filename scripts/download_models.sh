#!/bin/sh
# Fetch models, so that the first request need not wait: a door to `speechhub models pull`.
#
#   scripts/download_models.sh                      the two default models of this machine
#   scripts/download_models.sh whisper-small ...    these
#   scripts/download_models.sh qwen3-asr-0.6b --with aligner
#   SPEECHHUB_MIRROR=china scripts/download_models.sh
set -eu
root=$(dirname "$(dirname "$(readlink -f "$0")")")
# shellcheck source=scripts/_bootstrap.sh
. "$root/scripts/_bootstrap.sh"
[ $# -gt 0 ] || set -- whisper-1 tts-1
exec "$python" -E -s -S "$root/scripts/_bootstrap.py" serve speechhub models pull "$@"
