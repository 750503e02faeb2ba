"""A provider on the loopback interface, and nothing beyond it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from wire import Provider, Wire, closing
from wires import WIRES

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every attempt to connect to another machine fail the test that makes it."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in LOOPBACK:
            raise AssertionError(f"the network was used: {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def wire_named(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Wire]]:
    """Set the environment that a provider's client reads, and return its wire."""
    with ExitStack() as stack:

        def named(name: str) -> Wire:
            found = WIRES[name]
            environment = {**found.environment, **stack.enter_context(found.beside())}
            for variable, value in environment.items():
                monkeypatch.setenv(variable, value)
            return replace(found, environment=environment)

        yield named


@pytest.fixture(params=sorted(WIRES))
def wire(request: pytest.FixtureRequest, wire_named: Callable[[str], Wire]) -> Wire:
    return wire_named(request.param)


@pytest.fixture
def provider(wire: Wire) -> Iterator[Provider]:
    with closing(HTTPServer(threaded=True)) as server:
        started = Provider(wire, server)
        yield started
        assert not started.trouble, started.trouble
