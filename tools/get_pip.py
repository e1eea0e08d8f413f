# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for the get-pip script that ansible-test wants to download: ensurepip plus the machine's own package index.

tools/lint.py copies it into ansible-test's cache, under the name that this ansible-test looks for, unless one is there.
"""

from __future__ import annotations

import os
import subprocess
import sys

# As a child: inside this process ensurepip would drop pip's settings, and certificate checks would fail.
subprocess.check_call([sys.executable, "-m", "ensurepip", "--upgrade"], stdout=subprocess.DEVNULL)
environment = {name: value for name, value in os.environ.items() if name != "GET_PIP"}
arguments = [argument for argument in sys.argv[1:] if not argument.startswith("--no-")]
subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", *arguments], env=environment)
