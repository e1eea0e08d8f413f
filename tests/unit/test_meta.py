# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection says about itself is true: action groups, roles' options, modules' promises, no machine's paths."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.zonal.cloud.plugins.module_utils._domain.image_manifest import BY

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path for path in (ROOT / "plugins" / "modules").glob("*.py") if path.name != "__init__.py")
ROLES = sorted(path.parent for path in (ROOT / "roles").glob("*/tasks"))
ENTRY_POINT = "main"


def test_manifests_tell_the_version_of_the_collection() -> None:
    assert f"zonal.cloud {load(ROOT / 'galaxy.yml')['version']}" == BY


def load(path: Path) -> Any:
    """Read one YAML file; an empty or missing one is an empty mapping."""
    return (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.exists() else {}


def yaml_string(source: Path, name: str) -> dict[str, Any]:
    """Return the YAML in a string constant of a Python file, which is not imported; {} when there is none."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [name]:
            loaded: dict[str, Any] = yaml.safe_load(ast.literal_eval(node.value))
            return loaded
    return {}


def fragment_attributes(names: list[str]) -> set[str]:
    """Return the attributes that the collection's own documentation fragments promise (``zonal.cloud.file[.part]``)."""
    found: set[str] = set()
    for name in names:
        file, _dot, part = name.removeprefix("zonal.cloud.").partition(".")
        fragment = yaml_string(ROOT / "plugins" / "doc_fragments" / f"{file}.py", part.upper() or "DOCUMENTATION")
        found |= set(fragment.get("attributes", {}))
    return found


def undocumented_options(specs: dict[str, Any], defaults: dict[str, Any]) -> list[str]:
    """Compare a role's argument specs with its defaults and say what differs."""
    options = specs.get("argument_specs", {}).get(ENTRY_POINT, {}).get("options", {})
    faults = [f"{name} is in defaults but not in argument_specs" for name in defaults.keys() - options.keys()]
    for name, option in options.items():
        if not option.get("description"):
            faults.append(f"{name} has no description")
        if not option.get("type"):
            faults.append(f"{name} has no type")
        if name not in defaults and not option.get("required") and "default" in option:
            faults.append(f"{name} has a default in argument_specs but none in defaults")
        if name in defaults and option.get("required"):
            faults.append(f"{name} is required and has a default")
        if name in defaults and "default" in option and option["default"] != defaults[name]:
            faults.append(f"{name} has another default in argument_specs than in defaults")
    return sorted(faults)


def test_action_group_lists_every_module() -> None:
    groups = load(ROOT / "meta" / "runtime.yml")["action_groups"]
    assert groups == {"all": [path.stem for path in MODULES]}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_module_documents_its_promises(module: Path) -> None:
    document = yaml_string(module, "DOCUMENTATION")
    assert document["module"] == module.stem
    fragments = document.get("extends_documentation_fragment", [])
    promised = set(document.get("attributes", {})) | fragment_attributes([fragments] if isinstance(fragments, str) else fragments)
    assert {"check_mode", "diff_mode"} <= promised


@pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)
def test_role_documents_its_options(role: Path) -> None:
    specs = role / "meta" / "argument_specs.yml"
    assert specs.exists()
    assert undocumented_options(load(specs), load(role / "defaults" / "main.yml")) == []


@pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)
def test_role_names_its_options_after_itself(role: Path) -> None:
    assert [name for name in load(role / "defaults" / "main.yml") if not name.startswith((f"{role.name}_", "zonal_"))] == []


NAMED = {"type": "str", "description": "A name."}


@pytest.mark.parametrize(
    ("options", "defaults", "fault"),
    [
        ({}, {"a": 1}, "a is in defaults but not in argument_specs"),
        ({"a": {"type": "str"}}, {"a": "x"}, "a has no description"),
        ({"a": {"description": "A."}}, {"a": "x"}, "a has no type"),
        ({"a": {**NAMED, "default": "x"}}, {}, "a has a default in argument_specs but none in defaults"),
        ({"a": {**NAMED, "required": True}}, {"a": "x"}, "a is required and has a default"),
        ({"a": {**NAMED, "default": "x"}}, {"a": "y"}, "a has another default in argument_specs than in defaults"),
    ],
)
def test_role_check_can_fail(options: dict[str, Any], defaults: dict[str, Any], fault: str) -> None:
    assert undocumented_options({"argument_specs": {ENTRY_POINT: {"options": options}}}, defaults) == [fault]


def test_role_check_accepts_required_and_optional() -> None:
    options = {"a": {**NAMED, "required": True}, "b": NAMED, "c": {**NAMED, "default": 1}}
    assert undocumented_options({"argument_specs": {ENTRY_POINT: {"options": options}}}, {"c": 1}) == []


def test_no_tracked_file_names_a_path_of_this_machine() -> None:
    """A path of the checkout or of a version manager works on one machine only."""
    words = [f"{ROOT}/", "/".join(["", ".pyenv", "versions"])]
    command = ["git", "grep", "-nIF", *(part for word in words for part in ("-e", word)), "--", "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr


def test_variables_of_playbooks_are_documented_in_one_place() -> None:
    """Those that playbooks and roles read, and no others."""
    # A group of the inventory, what one playbook tells another, the beginning of names.
    others = {"zonal_registry", "zonal_hosts_needed", "zonal_publish_"}
    files = [*(ROOT / "playbooks").rglob("*.yml"), *(ROOT / "roles" / "zone").rglob("*.yml"), *(ROOT / "roles").glob("*/[tv]a*/*.yml")]
    read = {name for file in files for name in re.findall(r"\bzonal_[a-z0-9_]+", file.read_text(encoding="utf-8"))}
    documented = re.findall(r"`(zonal_[a-z0-9_]+)`", (ROOT / "docs" / "playbooks.md").read_text(encoding="utf-8"))
    assert sorted(set(documented) - {"zonal_registry"}) == sorted(read - others)


def test_playbooks_are_documented_in_one_place() -> None:
    text = (ROOT / "docs" / "playbooks.md").read_text(encoding="utf-8")
    assert [path.stem for path in (ROOT / "playbooks").glob("*.yml") if f"`{path.stem}`" not in text] == []
