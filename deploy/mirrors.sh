# shellcheck shell=sh
# Sourced by the Containerfile's steps: sets where packages come from, by the profile that $MIRRORS names.
# Variables that are already set are kept, so that --build-arg and mounted configuration win. docs/mirrors.md.
case ${MIRRORS:-none} in
none) ;;
china)
    mirror=mirrors.tuna.tsinghua.edu.cn
    # Plain HTTP: the base has no certificates yet, and apt checks signatures.
    for sources in /etc/apt/sources.list /etc/apt/sources.list.d/*.sources; do
        [ ! -f "$sources" ] || sed -i \
            -e "s#https\\{0,1\\}://\\(archive\\|security\\|ports\\).ubuntu.com#http://$mirror#g" \
            -e "s#https\\{0,1\\}://\\(deb\\|security\\).debian.org#http://$mirror#g" "$sources"
    done
    : "${PIP_INDEX_URL:=https://pypi.tuna.tsinghua.edu.cn/simple}"
    : "${UV_DEFAULT_INDEX:=$PIP_INDEX_URL}"
    # Python itself, if the base image has none that is new enough.
    : "${UV_PYTHON_INSTALL_MIRROR:=https://mirror.nju.edu.cn/github-release/astral-sh/python-build-standalone}"
    export PIP_INDEX_URL UV_DEFAULT_INDEX UV_PYTHON_INSTALL_MIRROR
    ;;
*)
    echo "MIRRORS=$MIRRORS: there is no such profile; use none or china" >&2
    exit 1
    ;;
esac
