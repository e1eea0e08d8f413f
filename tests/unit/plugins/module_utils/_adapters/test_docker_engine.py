# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What docker says only under load, or when ids begin alike; all else is asked of a real one in tests/integration/engines."""

from __future__ import annotations

import pytest
from docker.errors import APIError

from ansible_collections.zonal.cloud.plugins.module_utils._adapters import docker_engine
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.docker_engine import DockerEngine
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError

BUSY = "OCI runtime pause failed: unable to freeze: unknown"


class Client:
    """A docker that refuses to pause a container some times."""

    def __init__(self, refusals: int, words: str) -> None:
        self.refusals = refusals
        self.words = words
        self.asked = 0

    def inspect_container(self, _name: str) -> dict[str, dict[str, bool]]:
        return {"State": {"Paused": False}}

    def pause(self, _name: str) -> None:
        self.asked += 1
        if self.asked <= self.refusals:
            raise APIError("500 Server Error", explanation=self.words)


def paused(monkeypatch: pytest.MonkeyPatch, client: Client) -> int:
    """Pause a container and return how often docker was asked."""
    engine = DockerEngine()
    monkeypatch.setattr(docker_engine, "_PAUSE", 0)
    monkeypatch.setattr(engine, "_client", client)
    engine.pause("web")
    return client.asked


def test_a_container_that_is_too_busy_is_paused_a_moment_later(monkeypatch: pytest.MonkeyPatch) -> None:
    assert paused(monkeypatch, Client(0, BUSY)) == 1
    assert paused(monkeypatch, Client(3, BUSY)) == 4


@pytest.mark.parametrize(("words", "times"), [(BUSY, 5), ("No such container: web", 1)])
def test_after_some_attempts_and_for_all_else_it_is_an_error(monkeypatch: pytest.MonkeyPatch, words: str, times: int) -> None:
    client = Client(99, words)
    with pytest.raises(EngineError, match=words):
        paused(monkeypatch, client)
    assert client.asked == times


@pytest.mark.parametrize("words", ["Multiple IDs found with provided prefix: db", "multiple IDs found with provided prefix: db"])
def test_a_name_that_is_the_beginning_of_several_ids_is_nobodys(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    engine, client = DockerEngine(), Client(0, "")

    def refuse(_name: str) -> None:
        raise APIError("500 Server Error", explanation=words)

    monkeypatch.setattr(client, "inspect_container", refuse)
    monkeypatch.setattr(engine, "_client", client)
    assert engine.find("db") is None
    engine.remove("db")
