# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Becomes a User-Mode Linux kernel; for the lab only, not a command for people.

To reboot, that kernel executes its own argv[0] again with every file still open. The tap device would then be
busy and the host come back without network, so argv[0] is lab/uml-host, which closes them first. Which kernel, says ZONAL_LAB_KERNEL.
"""

import os
import sys

os.closerange(3, 4096)
os.execv(os.environ["ZONAL_LAB_KERNEL"], sys.argv[1:])
