# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which part of plugins/ may know which other part, as tables, and the walk over the sources that holds them to it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

COLLECTION = ("ansible_collections", "zonal", "cloud", "plugins")
MAX_FILE = 300
MAX_FUNCTION = 60
MAX_MODULE = 60
DOCUMENTATION = {"DOCUMENTATION", "EXAMPLES", "RETURN"}
GUARDED = "module_utils/_adapters/deps.py"

# Longest prefix wins; a file may also continue the name, as _ports_network.py does.
LAYER_OF_PATH = {
    "module_utils/_domain": "_domain",
    "module_utils/_ports": "_ports",
    "module_utils/_adapters": "_adapters",
    "module_utils/_module": "_module",
    "modules": "modules",
    "plugin_utils": "plugin_utils",
    "action": "controller plugins",
    "callback": "controller plugins",
    "filter": "controller plugins",
    "inventory": "controller plugins",
    "lookup": "controller plugins",
    "test": "controller plugins",
    "doc_fragments": "doc_fragments",
}

PURE_STDLIB = frozenset(
    "__future__ abc base64 binascii bisect collections contextlib copy dataclasses datetime decimal difflib enum fractions functools "
    "graphlib hashlib heapq html ipaddress itertools json math numbers operator posixpath re shlex string struct textwrap types typing "
    "unicodedata urllib.parse uuid xml.etree.ElementTree xml.sax.saxutils zlib".split()
)
# Names that make a pure module impure although its import looks innocent.
IMPURE_NAMES = frozenset(["open", "print", "input", "breakpoint", "exec", "eval"])
IMPURE_ATTRIBUTES = frozenset(["now", "utcnow", "today", "uuid1", "uuid4", "getnode"])


@dataclass(frozen=True)
class Rule:
    """What one layer may import: other layers, the standard library (all of it or the pure part), and packages."""

    layers: frozenset[str]
    stdlib: frozenset[str] | None = None  # None: all of it
    packages: tuple[str, ...] = ()


RULES = {
    "_domain": Rule(frozenset(["_domain"]), stdlib=PURE_STDLIB, packages=("netaddr",)),
    "_ports": Rule(frozenset(["_domain", "_ports"]), stdlib=PURE_STDLIB),
    "_adapters": Rule(frozenset(["_domain", "_ports", "_adapters"])),
    "_module": Rule(frozenset(["_domain", "_ports", "_adapters", "_module"]), packages=("ansible.module_utils",)),
    "modules": Rule(frozenset(["_module"]), stdlib=frozenset(["__future__", "typing"]), packages=("ansible.module_utils.basic",)),
    "plugin_utils": Rule(frozenset(["_domain", "plugin_utils"]), packages=("ansible", "netaddr", "sqlalchemy", "yaml")),
    "controller plugins": Rule(frozenset(["_domain", "plugin_utils"]), packages=("ansible", "netaddr", "yaml")),
    "doc_fragments": Rule(frozenset(), stdlib=frozenset(["__future__"])),
}


@dataclass(frozen=True)
class Import:
    """One imported name: where, and its full dotted path (``from a import b`` is ``a.b``)."""

    line: int
    name: str
    guarded: bool
    deferred: bool


def violations(plugins: Path) -> list[str]:
    """Return every broken rule below plugins/, as file:line: message."""
    found: list[str] = []
    for path in sorted(plugins.rglob("*.py")):
        place = path.relative_to(plugins)
        found += [f"{place}:{line}: {message}" for line, message in sorted(_check(plugins, place))]
    return found


def _check(plugins: Path, place: Path) -> Iterator[tuple[int, str]]:
    text = (plugins / place).read_text(encoding="utf-8")
    if place.name == "__init__.py":
        if text:
            yield 1, "an __init__.py stays empty, or it would drag its whole package into every module"
        return
    layer = _layer(place.as_posix())
    if layer is None:
        yield 1, "belongs to no layer; see LAYER_OF_PATH"
        return
    tree = ast.parse(text)
    for item in _imports(tree, place):
        complaint = _judge_import(place, layer, item)
        if complaint:
            yield item.line, complaint
    if RULES[layer].stdlib is PURE_STDLIB:
        yield from _impurities(tree, layer)
    yield from _oversize(tree, text, layer)


def _layer(place: str) -> str | None:
    fitting = [prefix for prefix in LAYER_OF_PATH if place.startswith((f"{prefix}/", f"{prefix}.", f"{prefix}_"))]
    return LAYER_OF_PATH[max(fitting, key=len)] if fitting else None


def _imports(tree: ast.Module, place: Path) -> Iterator[Import]:
    package = (*COLLECTION, *place.parent.parts)
    guarded = {id(node) for block in ast.walk(tree) if _is_guard(block) for node in ast.walk(block)}
    deferred = {id(node) for block in ast.walk(tree) if isinstance(block, ast.FunctionDef) for node in ast.walk(block)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(node.lineno, alias.name, id(node) in guarded, id(node) in deferred) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            names = [f"{base}.{alias.name}" for alias in node.names]
            yield from (Import(node.lineno, name, id(node) in guarded, id(node) in deferred) for name in names)


def _is_guard(node: ast.AST) -> bool:
    handlers = node.handlers if isinstance(node, ast.Try) else []
    return any(handler.type is None or "ImportError" in ast.unparse(handler.type) for handler in handlers)


def _judge_import(place: Path, layer: str, item: Import) -> str | None:
    rule = RULES[layer]
    parts = tuple(item.name.split("."))
    if parts[: len(COLLECTION)] == COLLECTION:
        return _judge_own(layer, rule, item.name)
    if parts[0] in sys.stdlib_module_names:
        fits = rule.stdlib is None or _is_one_of(item.name, rule.stdlib)
        return None if fits else f"{layer} must not import {item.name} from the standard library"
    third_party = parts[0] not in ("ansible", "ansible_collections")
    if not _is_one_of(item.name, rule.packages) and not (third_party and place.as_posix() == GUARDED):
        return f"{layer} must not import {item.name}; third-party packages belong in {GUARDED}"
    if third_party and place.parts[0] == "module_utils" and not item.guarded:
        return f"import {item.name} inside try/except ImportError: hosts may lack it, and ansible-test imports every file without it"
    if place.as_posix() == GUARDED and not item.deferred:
        return f"import {item.name} where it is needed: it takes long, and most modules do without"
    return None


def _judge_own(layer: str, rule: Rule, name: str) -> str | None:
    inner = "/".join(name.split(".")[len(COLLECTION) :])
    other = _layer(f"{inner}/")
    if other is None:
        return f"{name} is in no layer"
    return None if other in rule.layers else f"{layer} must not import {other} ({name})"


def _is_one_of(name: str, allowed: Iterable[str]) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in allowed)


def _impurities(tree: ast.Module, layer: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in IMPURE_NAMES:
            yield node.lineno, f"{layer} is pure and must not use {node.id}()"
        if isinstance(node, ast.Attribute) and node.attr in IMPURE_ATTRIBUTES:
            yield node.lineno, f"{layer} is pure and must not use .{node.attr}"


def _oversize(tree: ast.Module, text: str, layer: str) -> Iterator[tuple[int, str]]:
    lines = text.count("\n") - sum(_length(node) for node in tree.body if _is_documentation(node))
    limit = MAX_MODULE + _header(tree) if layer == "modules" else MAX_FILE
    if layer != "doc_fragments" and lines > limit:
        yield 1, f"{lines} lines of code, the limit is {limit}"
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and _length(node) > MAX_FUNCTION:
            yield node.lineno, f"{node.name}() has {_length(node)} lines, the limit is {MAX_FUNCTION}"


def _length(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _header(tree: ast.Module) -> int:
    """Return the lines above the first statement: shebang and licence do not count against a module."""
    return tree.body[0].lineno - 1 if tree.body else 0


def _is_documentation(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) and target.id in DOCUMENTATION for target in node.targets)
