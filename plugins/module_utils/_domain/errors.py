# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What can go wrong by the user's own doing; each error is one line that says what to do."""

from __future__ import annotations

from typing import Any

_LONGEST_SHOWN_VALUE = 80


class ZonalError(Exception):
    """Base of every error that a user is shown; ``details`` are its machine-readable fields."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.details = details


class SpecError(ZonalError):
    """A value that the user wrote is not acceptable; names the field and the value."""

    def __init__(self, field: str, value: object, why: str) -> None:
        shown = repr(value)
        if len(shown) > _LONGEST_SHOWN_VALUE:
            shown = shown[:_LONGEST_SHOWN_VALUE] + "..."
        super().__init__(f"{field}: {shown} {why}", field=field, value=value)


class MissingError(ZonalError):
    """A value is needed for what is asked and was not given."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: is missing; {why}", field=field)


class RefusedError(ZonalError):
    """What is asked would do harm (data loss, a foreign object, a protected one), so nothing was changed."""
