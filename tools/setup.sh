#!/usr/bin/env bash
# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# setup.sh apt SECTION...   install the missing Debian packages of requirements/debian.txt
# setup.sh venv FOLDER      make or mend the development venv
# Safe to call twice and from two terminals; silent when there is nothing to do.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p .work
exec 9>.work/setup.lock
flock 9

say() { echo "setup: $*"; }
die() { echo "setup: $*" >&2; exit 1; }

packages() {
    for section in "$@"; do
        awk -v want="[$section]" '/^\[/ { here = ($1 == want); next } here && $1 !~ /^#/ && NF { print $1 }' requirements/debian.txt
    done
}

missing() {
    for package in $(packages "$@"); do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
    done
}

apt_install() {
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
}

setup_apt() {
    command -v apt-get >/dev/null || die "needs Debian's apt-get; elsewhere install by hand what these are there: $(packages "$@" | xargs);" \
        "then tell so with: touch$(printf ' .work/stamps/apt-%s' "$@")"
    wanted=$(missing "$@" | xargs)
    [ -n "$wanted" ] || return 0
    [ "$(id -u)" = 0 ] || die "needs root once, to install: $wanted"
    say "installing Debian packages: $wanted"
    ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1 || apt-get update -q
    # shellcheck disable=SC2086  # a list of package names
    apt_install $wanted || { apt-get update -q && apt_install $wanted; } || die "apt-get could not install: $wanted"
}

setup_venv() {
    # The programs of a venv name it by its path.
    if ! "$1/bin/python" -m pip --version >/dev/null 2>&1 || ! grep -qsF "$(readlink -f "$1")/bin/python" "$1/bin/pip"; then
        python=${PYTHON:-$(tools/find-python.sh 3.13 3.12 3.11)} || die "needs a working Python 3.11, 3.12 or 3.13 with venv"
        say "making $1 with $("$python" --version)"
        "$python" -m venv --clear "$1" || die "$python cannot make a venv"
    fi
    say "installing Python packages into $1 (one or two minutes when new)"
    "$1/bin/python" -m pip install --disable-pip-version-check --progress-bar off --upgrade-strategy only-if-needed \
        -r requirements/core.txt -r requirements/unit.txt -r requirements/engines.txt -r requirements/lint.txt 2>&1 |
        sed -u '/^Requirement already satisfied/d; /^WARNING: Location/d; /^Looking in/d'
    "$1/bin/python" -m pip check --disable-pip-version-check >/dev/null || die "the packages in $1 do not fit together: run pip check"
    say "$("$1/bin/ansible" --version | sed -n 1p) on $("$1/bin/python" --version)"
}

action=$1
shift
"setup_$action" "$@"
