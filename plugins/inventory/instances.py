# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The instances of zones as the hosts of an inventory."""

from __future__ import annotations

DOCUMENTATION = r"""
---
name: instances
short_description: The instances of zones as hosts of an inventory
version_added: 0.1.0
author:
  - zonal.cloud contributors (@zonal-cloud)
description:
  - Reads the instances (VMs and containers) of zones from the ledger, where it writes nothing, or from a report of what hosts run.
  - Each is a host under its own name, reached at its address, and a member of the groups C(zone_ZONE), C(tenant_TENANT),
    C(app_APP), C(kind_KIND) and C(host_HOST), where letters that group names cannot have, such as hyphens, are underscores.
  - The name of its file must end with C(zonal.yml) or C(zonal.yaml).
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [zonal.cloud.instances]
  ledger:
    description:
      - The ledger, a path of a SQLite file or a database URL such as V(postgresql://zonal@db.example/zonal).
      - A relative path counts from the folder of this file.
      - The default is the file C(.zonal-ledger.db) in that folder, where M(zonal.cloud.zone_plan) makes it when the folder is
        the first inventory that it is given.
    type: str
    env:
      - name: ZONAL_LEDGER_URL
  report:
    description:
      - Take the instances from this file instead of the ledger, a report of what the hosts run that the playbook
        C(zonal.cloud.report) writes with C(-e zonal_report_file=FILE).
      - A relative path counts from the folder of this file.
      - What a host reports is checked; an instance that this collection cannot have made is left out with a warning.
    type: str
  zones:
    description: Only these zones. A zone that the ledger does not know is an error. The default is all zones.
    type: list
    elements: str
  states:
    description:
      - Only instances in these states.
      - The ledger has V(planned) (promised, not seen on its host yet), V(settled) (seen there) and V(removing) (waits until its
        host confirms that it is gone), a report V(running), V(stopped) and V(paused).
    type: list
    elements: str
    choices: [planned, settled, removing, running, stopped, paused]
    default: [planned, settled, running, stopped, paused]
  group_prefix:
    description: Put before the names of the plugin's own groups, for an inventory that uses such names otherwise.
    type: str
    default: ""
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
requirements:
  - SQLAlchemy >= 2.0 (for the ledger)
notes:
  - The host variables are RV(ignore:ansible_host) and RV(ignore:zonal_zone), C(zonal_tenant), C(zonal_app), C(zonal_kind),
    C(zonal_host) (the host that runs it), C(zonal_index) (which of its app it is, from 1), C(zonal_address), C(zonal_extra_addresses),
    C(zonal_mac), C(zonal_state), C(zonal_vcpus), C(zonal_memory) and C(zonal_disk) (both in bytes). What a report does
    not tell is not defined.
  - Values are never templates, whatever stands in them.
  - Two instances of one name in two zones are warned about; the one of the zone that sorts later is named C(ZONE.NAME).
  - An instance that has the name of a host beneath instances, or of a host or group that the inventory already has (such as C(all)),
    is left out with a warning. So list the file after those of the hosts, and give variables of single instances in C(host_vars/).
seealso:
  - module: zonal.cloud.zone_plan
  - module: zonal.cloud.host_info
"""

EXAMPLES = r"""
# All instances of the ledger beside this file, instances.zonal.yml
plugin: zonal.cloud.instances

---
# Those of one zone that are there, from the ledger that several controllers share
plugin: zonal.cloud.instances
ledger: postgresql://zonal@db.example/zonal
zones: [idc01-dev]
states: [settled]

---
# What the hosts reported, with groups such as payments_web, and the guests' user
plugin: zonal.cloud.instances
report: /var/tmp/report.json
keyed_groups:
  - key: zonal_tenant ~ '_' ~ zonal_app
    separator: ""
groups:
  large: zonal_memory >= 32 * 1024 ** 3
compose:
  ansible_user: "'debian' if zonal_kind == 'vm' else 'root'"

---
# Read the ledger at most every ten minutes
plugin: zonal.cloud.instances
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/zonal
cache_timeout: 600
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable

from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import SpecError, ZonalError
from ansible_collections.zonal.cloud.plugins.plugin_utils.controller_action import LEDGER_FILE, plain
from ansible_collections.zonal.cloud.plugins.plugin_utils.instance_inventory import (
    GROUPED,
    Facts,
    Source,
    name_hosts,
    read_ledger,
    read_report,
    variables_of,
)
from ansible_collections.zonal.cloud.plugins.plugin_utils.ledger.schema import MISSING
from ansible_collections.zonal.cloud.plugins.plugin_utils.ledger.store import Ledger


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """Adds instances to the inventory."""

    NAME = "zonal.cloud.instances"
    # What hosts and guests say of themselves is text, never a template.
    trusted_by_default = False

    def verify_file(self, path: str) -> bool:
        """Tell whether a file is one of this plugin."""
        return bool(super().verify_file(path)) and path.endswith(("zonal.yml", "zonal.yaml"))

    def parse(self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:
        """Add the instances that the file asks for; none at all when their source cannot be used."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        zones, states = plain(self.get_option("zones")), plain(self.get_option("states"))
        # Ansible leaves what is in a list as YAML reads it, which takes a name such as 101 for a number.
        zones = None if zones is None else list(map(str, zones))
        try:
            source = self._source(path, zones, fresh=not cache)
            wanted = [item for item in source.instances if item["state"] in states and (zones is None or item["zone"] in zones)]
            hosts, warnings = name_hosts(wanted, *_names(inventory, source))
        except ZonalError as error:
            raise AnsibleParserError(str(error)) from None
        for warning in (*source.warnings, *warnings):
            self.display.warning(warning)
        self._add(inventory, hosts)

    def _source(self, path: str, zones: list[str] | None, *, fresh: bool) -> Source:
        """Return what the ledger or the report tells, or the cache of it."""
        report, ledger = (plain(self.get_option(option)) for option in ("report", "ledger"))
        folder = Path(path).parent
        place = report or ledger or LEDGER_FILE
        if "://" not in place:
            try:
                place = str(folder / Path(place).expanduser())
            except RuntimeError as error:
                raise SpecError("report" if report else "ledger", place, f"is not a path that can be used ({error})") from error
        if not self.get_option("cache"):
            return _read(place, zones, is_report=bool(report))
        # What is read depends on more than the file's path.
        key = self.get_cache_key(json.dumps([path, place, zones]))
        # A cache that an older version wrote may have other fields.
        with suppress(KeyError, TypeError):
            if not fresh:
                return Source(**self._cache[key])
        source = _read(place, zones, is_report=bool(report))
        self._cache[key] = vars(source)
        return source

    def _add(self, inventory: InventoryData, hosts: dict[str, Facts]) -> None:
        strict = self.get_option("strict")
        variables = {name: variables_of(facts) for name, facts in hosts.items()}
        # All hosts come before all groups: of a host and a group of one name, the group would get the variables.
        for name in hosts:
            inventory.add_host(name)
            for key, value in variables[name].items():
                inventory.set_variable(name, key, value)
            self._set_composite_vars(self.get_option("compose"), variables[name], name, strict=strict)
        prefix = self.get_option("group_prefix")
        for name, facts in hosts.items():
            for fact in GROUPED:
                group = inventory.add_group(self._sanitize_group_name(f"{prefix}{fact}_{facts[fact]}"))
                inventory.add_host(name, group)
            self._add_host_to_composed_groups(self.get_option("groups"), variables[name], name, strict=strict)
            self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables[name], name, strict=strict)


def _read(place: str, zones: list[str] | None, *, is_report: bool) -> Source:
    if not is_report:
        if MISSING is not None:
            raise ZonalError(f"The ledger needs SQLAlchemy on the controller: pip install -r requirements.txt ({MISSING})")
        return read_ledger(Ledger(place), zones)
    try:
        content: Any = json.loads(Path(place).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ZonalError(
            f"report: {place} cannot be read ({error}); zonal.cloud.report with -e zonal_report_file={place} writes it"
        ) from error
    return read_report(content)


def _names(inventory: InventoryData, source: Source) -> tuple[dict[str, str], dict[str, str]]:
    """Return the zones of the instances that the inventory already has, and what else has which name."""
    zones = {name: host.vars.get("zonal_zone") for name, host in inventory.hosts.items()}
    return {name: zone for name, zone in zones.items() if zone}, {
        **{name: "a host of the inventory" for name, zone in zones.items() if not zone},
        **dict.fromkeys(inventory.groups, "a group of the inventory"),
        **dict.fromkeys(source.hosts, "a host that runs instances"),
        "localhost": "the controller",
    }
