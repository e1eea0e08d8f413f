#!/bin/sh
# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# find-python.sh 3.13 3.12 ...: print the first interpreter that really works, versions in the order given.
# "Works" means: runs, is that version, and can make a venv (pyenv leaves shims that only exit 127;
# Debian's Python lacks ensurepip until python3-venv is installed).
set -u

works() {
    "$1" -c "import sys, ensurepip, ssl, venv; sys.exit('%d.%d' % sys.version_info[:2] != '$2')" >/dev/null 2>&1
}

candidates() {
    (
        IFS=:
        for folder in $PATH; do
            echo "$folder/python$1"
        done
    )
    echo "/usr/bin/python$1"
    echo "/usr/local/bin/python$1"
    if command -v pyenv >/dev/null 2>&1; then
        ls -1 "$(pyenv root)/versions/$1."*"/bin/python$1" 2>/dev/null
    fi
}

for version in "$@"; do
    for python in $(candidates "$version"); do
        case $python in */shims/* | */.work/*) continue ;; esac
        if [ -x "$python" ] && works "$python" "$version"; then
            echo "$python"
            exit 0
        fi
    done
done
exit 1
