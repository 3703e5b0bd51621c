#!/bin/sh
# Make .venv and install into it: setup.sh PYTHON live|test. On Debian and Ubuntu also the system libraries that are
# missing, where that is allowed; else it says which line installs them.
set -eu
python=$1
purpose=$2
PATH=$PATH:/usr/sbin:/sbin

has_library() { ldconfig -p | grep -q "$1"; }

# Packages whose library, driver or module is not there; names differ between releases, what is inside does not.
missing_packages() {
    has_library libGL.so.1 || echo libgl1
    has_library libgthread-2.0.so.0 || echo libglib2.0-0
    has_library libEGL.so.1 || echo libegl1
    ls /usr/lib/*/dri/*_dri.so >/dev/null 2>&1 || echo libgl1-mesa-dri
    "$python" -c "import ensurepip, venv" >/dev/null 2>&1 || echo python3-venv
    [ "$purpose" = test ] || return 0
    command -v Xvfb >/dev/null || echo xvfb
    command -v xdotool >/dev/null || echo xdotool
    has_library libfreenect.so || echo libfreenect0.5
}

install_packages() {
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif sudo -n true 2>/dev/null; then
        as_root=sudo
    else
        return 1
    fi
    $as_root apt-get update -q && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@"
}

if ! command -v "$python" >/dev/null; then
    echo "There is no $python here: install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3" >&2
    exit 1
fi
if ! "$python" -c "import sys; sys.exit(sys.version_info < (3, 11))"; then
    echo "Facet needs Python 3.11 or newer, and $python is $("$python" -V): name a newer one: make PYTHON=python3.12" >&2
    exit 1
fi
if command -v apt-get >/dev/null; then
    packages=$(missing_packages)
    # shellcheck disable=SC2086  # a list of words
    if [ -n "$packages" ] && ! install_packages $packages; then
        echo "System packages are missing; install them, then run make again:" >&2
        echo "    sudo apt-get install --no-install-recommends" $packages >&2
        # without them the tests of the window and of a played Kinect are skipped, and that is all
        if echo "$packages" | grep -qvE '^(xvfb|xdotool|libfreenect0.5)$'; then exit 1; fi
    fi
fi
[ -x .venv/bin/python ] || "$python" -m venv .venv
if [ "$purpose" = test ]; then
    echo "Installing the test tools; torch from the default index brings 2-5 GB of CUDA on Linux" \
        "(PIP_EXTRA_INDEX_URL may name an index with CPU builds)."
    .venv/bin/python -m pip install -q --disable-pip-version-check -e ".[virtual,train,test]"
else
    .venv/bin/python -m pip install -q --disable-pip-version-check -e ".[virtual]"
fi
