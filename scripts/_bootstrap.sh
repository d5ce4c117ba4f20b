# shellcheck shell=sh disable=SC2154
# Sourced by serve and test with $root set; sets $python to a Python 3.11 or newer that starts.

# Running a candidate is the only test that counts: pyenv leaves python3.13 on the PATH for versions that are
# switched off, and a Python moved by an upgrade leaves a dangling link.
is_new_enough() {
    "$1" -E -s -S -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        if is_new_enough "$PYTHON"; then
            python=$PYTHON
            return
        fi
        echo "speechhub: PYTHON=$PYTHON is not there, or not a Python 3.11 or newer." >&2
        exit 1
    fi
    # The environment's own Python starts without a look around; it is complete if the stamp is there.
    if [ -e "$root/.venv/.speechhub-installed" ] && [ -x "$root/.venv/bin/python" ]; then
        python=$root/.venv/bin/python
        return
    fi
    for python in python3.13 python3.12 python3.11 python3 python; do
        if is_new_enough "$python"; then
            return
        fi
    done
    if [ -z "${NO_UV:-}" ] && uv --version >/dev/null 2>&1; then
        python=$(uv python find --no-project '>=3.11' 2>/dev/null) && is_new_enough "$python" && return
        echo "speechhub: no Python 3.11 or newer here; uv fetches one …" >&2
        if [ "${SPEECHHUB_MIRROR:-}" = china ] && [ -z "${UV_PYTHON_INSTALL_MIRROR:-}" ]; then
            UV_PYTHON_INSTALL_MIRROR=https://mirror.nju.edu.cn/github-release/astral-sh/python-build-standalone
            export UV_PYTHON_INSTALL_MIRROR
        fi
        if uv python install 3.11 >&2; then
            python=$(uv python find --no-project 3.11) && return
        fi
    fi
    echo "speechhub: needs Python 3.11 or newer, and found none." >&2
    echo "  Install it (Debian, Ubuntu: apt install python3 python3-venv) or name one: PYTHON=/path/to/python3.12" >&2
    exit 1
}

find_python
