#!/bin/sh
# Fetch models, so that the first request need not wait: a door to `speechhub models pull`, which tells the rest.
# The engines of the models need not be installed.
#
#   scripts/download_models.sh                          Qwen3-ASR-0.6B, its aligner, and IndexTTS2
#   scripts/download_models.sh --dry-run                the same, as a list with sizes and licences
#   scripts/download_models.sh --defaults               the default models of this machine, as it is
#   scripts/download_models.sh whisper-small ...        these
#   scripts/download_models.sh qwen3-asr-0.6b --with aligner
#   SPEECHHUB_MIRROR=china scripts/download_models.sh
set -eu
root=$(dirname "$(dirname "$(readlink -f "$0")")")
# shellcheck source=scripts/_bootstrap.sh
. "$root/scripts/_bootstrap.sh"
named=""
value=""
for word; do
    case $value$word in
    --with | --config) value=: ;;
    --defaults | -h | --help) named=1 ;;
    :* | -*) value="" ;;
    *) named=1 ;;
    esac
done
[ -n "$named" ] || set -- qwen3-asr-0.6b indextts-2 --with aligner "$@"
exec "$python" -E -s -S "$root/scripts/_bootstrap.py" serve speechhub models pull "$@"
