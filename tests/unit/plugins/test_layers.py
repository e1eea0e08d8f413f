# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sources under plugins/ obey the layers of docs/architecture.md, and the check that says so can fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.zonal.cloud.tests.unit.plugins.layer_rules import MAX_FILE, MAX_FUNCTION, MAX_MODULE, violations

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"

DOMAIN = "module_utils/_domain/thing.py"
PORTS = "module_utils/_ports.py"
PORTS_OF_NETWORK = "module_utils/_ports_network.py"
ADAPTER = "module_utils/_adapters/thing.py"
DEPS = "module_utils/_adapters/deps.py"
USE_CASE = "module_utils/_module/thing.py"
MODULE = "modules/thing.py"
FILTER = "filter/thing.py"
LEDGER = "plugin_utils/ledger.py"


def judge(root: Path, place: str, text: str) -> list[str]:
    """Write one file into an otherwise empty plugins folder and return what is wrong with it."""
    path = root / place
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return violations(root)


def test_plugins_obey_the_layers() -> None:
    found = violations(PLUGINS)
    assert not found, "\n".join(["", *found])


def test_plugins_are_there_to_be_checked() -> None:
    assert len(list((PLUGINS / "module_utils").rglob("*.py"))) > 10


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (DOMAIN, "from .names import mac_of"),
        (DOMAIN, "import xml.etree.ElementTree as ET"),
        (DOMAIN, "from xml.etree import ElementTree"),
        (DOMAIN, "from collections.abc import Sequence"),
        (DOMAIN, "try:\n    import netaddr\nexcept ImportError:\n    netaddr = None"),
        (PORTS, "from ._domain.errors import ZonalError"),
        (ADAPTER, "from .._ports import EngineError"),
        (ADAPTER, "from .. import _ports"),
        (ADAPTER, "import subprocess"),
        (PORTS_OF_NETWORK, "from ._domain.errors import ZonalError"),
        (DEPS, "def need():\n    try:\n        import libvirt\n    except (ImportError, OSError):\n        raise"),
        (USE_CASE, "from .._adapters.lvm import Lvm"),
        (USE_CASE, "from ansible.module_utils.basic import AnsibleModule"),
        (MODULE, "from ansible.module_utils.basic import AnsibleModule"),
        (MODULE, "from ..module_utils._module.run import run"),
        (MODULE, "from ansible_collections.zonal.cloud.plugins.module_utils._module.run import run"),
        (FILTER, "from ..plugin_utils.report import table"),
        (FILTER, "from ..module_utils._domain.quantity import parse_size"),
        (LEDGER, "import sqlalchemy"),
        (LEDGER, "import sqlite3"),
    ],
)
def test_arrow_down_is_allowed(tmp_path: Path, place: str, line: str) -> None:
    assert judge(tmp_path, place, f"from __future__ import annotations\n\n{line}\n") == []


@pytest.mark.parametrize(
    ("place", "line", "complaint"),
    [
        (DOMAIN, "from .._ports import Volume", "_domain must not import _ports"),
        (DOMAIN, "from .. import _adapters", "_domain must not import _adapters"),
        (DOMAIN, "import os", "_domain must not import os"),
        (DOMAIN, "import random", "_domain must not import random"),
        (DOMAIN, "from pathlib import Path", "_domain must not import pathlib.Path"),
        (DOMAIN, "import urllib.request", "_domain must not import urllib.request"),
        (DOMAIN, "from time import monotonic", "_domain must not import time.monotonic"),
        (DOMAIN, "from netaddr import IPAddress", "inside try/except ImportError"),
        (DEPS, "import libvirt", "inside try/except ImportError"),
        (DEPS, "try:\n    import libvirt\nexcept ImportError:\n    libvirt = None", "where it is needed"),
        (DEPS, "try:\n    import libvirt\nexcept OSError:\n    libvirt = None", "inside try/except ImportError"),
        (DOMAIN, "import libvirt", "_domain must not import libvirt"),
        (DOMAIN, "from ansible.module_utils.basic import AnsibleModule", "_domain must not import ansible"),
        (DOMAIN, "TEXT = open('x')", "must not use open()"),
        (DOMAIN, "WHEN = datetime.now()", "must not use .now"),
        (DOMAIN, "def f():\n    import socket", "_domain must not import socket"),
        (DOMAIN, "if TYPE_CHECKING:\n    from .._module.run import run", "_domain must not import _module"),
        (PORTS, "from ._adapters.lvm import Lvm", "_ports must not import _adapters"),
        (PORTS, "import subprocess", "_ports must not import subprocess"),
        (ADAPTER, "from .._module.run import run", "_adapters must not import _module"),
        (ADAPTER, "import docker", "third-party packages belong in"),
        (ADAPTER, "try:\n    import libvirt\nexcept ImportError:\n    libvirt = None", "third-party packages belong in"),
        (ADAPTER, "from ansible.module_utils.basic import AnsibleModule", "_adapters must not import ansible"),
        (DEPS, "from ansible.module_utils.basic import missing_required_lib", "_adapters must not import ansible"),
        (USE_CASE, "from ...plugin_utils.ledger import Ledger", "_module must not import plugin_utils"),
        (USE_CASE, "from ...modules.vm import main", "_module must not import modules"),
        (MODULE, "from ..module_utils._domain.plan import Plan", "modules must not import _domain"),
        (MODULE, "from ..module_utils._adapters.lvm import Lvm", "modules must not import _adapters"),
        (MODULE, "from .vm import main", "modules must not import modules"),
        (MODULE, "import json", "modules must not import json"),
        (MODULE, "from ansible.module_utils.common.text import x", "modules must not import ansible.module_utils.common"),
        (FILTER, "from ..module_utils._adapters.lvm import Lvm", "controller plugins must not import _adapters"),
        (LEDGER, "from ..module_utils._module.run import run", "plugin_utils must not import _module"),
        (LEDGER, "from ansible_collections.community.docker.plugins.module_utils import x", "must not import ansible_collections"),
        ("doc_fragments/thing.py", "from ..module_utils._domain.fields import FIELDS", "doc_fragments must not import _domain"),
        ("module_utils/helpers.py", "import re", "belongs to no layer"),
        (ADAPTER, "from .. import helpers", "is in no layer"),
        ("module_utils/_domain/__init__.py", "from .plan import Plan", "an __init__.py stays empty"),
    ],
)
def test_any_other_arrow_fails(tmp_path: Path, place: str, line: str, complaint: str) -> None:
    found = judge(tmp_path, place, f"{line}\n")
    assert len(found) == 1, found
    assert found[0].startswith(f"{place}:")
    assert complaint in found[0]


def test_complaint_names_the_line(tmp_path: Path) -> None:
    assert judge(tmp_path, DOMAIN, "import re\n\nimport os\n")[0].startswith(f"{DOMAIN}:3:")


@pytest.mark.parametrize(("extra", "fails"), [(0, False), (1, True)])
def test_long_file_fails(tmp_path: Path, extra: int, fails: bool) -> None:
    assert bool(judge(tmp_path, DOMAIN, "x = 1\n" * (MAX_FILE + extra))) is fails


@pytest.mark.parametrize(("extra", "fails"), [(0, False), (1, True)])
def test_long_function_fails(tmp_path: Path, extra: int, fails: bool) -> None:
    assert bool(judge(tmp_path, DOMAIN, "def f():\n" + "    x = 1\n" * (MAX_FUNCTION - 1 + extra))) is fails


@pytest.mark.parametrize(("extra", "fails"), [(0, False), (1, True)])
def test_documentation_does_not_count_but_code_of_a_module_does(tmp_path: Path, extra: int, fails: bool) -> None:
    documentation = 'DOCUMENTATION = r"""\n' + "x: y\n" * 400 + '"""\n'
    assert bool(judge(tmp_path, MODULE, "# licence\n" + documentation + "x = 1\n" * (MAX_MODULE + extra))) is fails
