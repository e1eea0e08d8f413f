# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The numbers of an app's instances."""

from __future__ import annotations

from collections.abc import Iterable

from .claims import Claim

_Key = tuple[str, str, str]


class Indices:
    """The indices that are in use, of each tenant's app and kind."""

    def __init__(self, claims: Iterable[Claim]) -> None:
        self._used = {(claim.tenant, claim.app, claim.kind, claim.index) for claim in claims}
        self._lowest: dict[_Key, int] = {}

    def take(self, key: _Key, told: int | None = None) -> int:
        """Return the index that an instance tells if it is free, else the lowest free one; it is in use from now on."""
        index = told
        if not index or (*key, index) in self._used:
            index = self._lowest.get(key, 1)
            while (*key, index) in self._used:
                index += 1
            self._lowest[key] = index
        self._used.add((*key, index))
        return index
