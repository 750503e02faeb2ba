"""Every provider's client against a server that speaks its documented format: one request, one attempt."""

from __future__ import annotations

import base64
import re
from typing import Any

import numpy as np
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response
from wire import (
    PLANTED,
    Behaviour,
    Provider,
    Wire,
    changed,
    closing,
    half_closed,
    not_finite,
    one_missing,
    payloads,
    refused,
    reordered,
    slow,
    status,
    too_short,
    vector_of,
)
from wires import WIRES

from pytest_prodbench.errors import ModelError
from pytest_prodbench.models.remote import (
    BrokenReplyError,
    DeniedError,
    RefusedError,
    RemoteService,
    ServiceError,
    TransientError,
)


def connected(wire: Wire, provider: Provider, **options: Any) -> RemoteService:
    spec = wire.spec(provider.address, **options)
    return wire.loaded(spec).connect(spec)


def images_of(wire: Wire, provider: Provider, most: int = 3) -> int:
    spec = wire.spec(provider.address)
    return min(most, wire.loaded(spec).facts(spec).limits.images_per_request)


def test_each_image_gets_its_own_vector(wire: Wire, provider: Provider) -> None:
    sent = payloads(images_of(wire, provider))
    reply = connected(wire, provider).embed(sent)
    wanted = np.array([vector_of(one.data, wire.dimension) for one in sent], np.float32)
    np.testing.assert_allclose(reply.vectors, wanted, rtol=1e-6)
    assert reply.vectors.dtype == np.float32
    assert provider.files == [one.data for one in sent]  # to the last byte
    assert all(isinstance(value, float) for value in reply.usage.values())


def test_the_dimension_is_known_before_anything_is_sent(wire: Wire, provider: Provider) -> None:
    spec = wire.spec(provider.address)
    assert wire.loaded(spec).identity(spec).dimension == wire.dimension
    assert provider.requests == []


def test_too_many_requests_says_how_long_to_wait(wire: Wire, provider: Provider) -> None:
    provider.behaviours = [status(429, "slow down", Retry_After="7")]
    with pytest.raises(TransientError, match="429") as raised:
        connected(wire, provider).embed(payloads(1))
    assert raised.value.retry_after == 7.0
    assert not raised.value.perhaps_paid
    assert provider.requests == [1]  # the SDK did not try again by itself


@pytest.mark.parametrize("code", [500, 502, 503, 521, 529])
def test_trouble_of_the_server_is_transient(wire: Wire, provider: Provider, code: int) -> None:
    provider.behaviours = [status(code)]
    with pytest.raises(TransientError, match=str(code)) as raised:
        connected(wire, provider).embed(payloads(1))
    assert not raised.value.perhaps_paid
    assert provider.requests == [1]


def test_a_time_out_may_have_been_paid_for(wire: Wire, provider: Provider) -> None:
    provider.behaviours = [slow(1.5)]
    with pytest.raises(TransientError, match="no answer") as raised:
        connected(wire, provider, timeout_s=0.3).embed(payloads(1))
    assert raised.value.perhaps_paid


def test_half_a_reply_is_no_answer(wire: Wire, provider: Provider) -> None:
    provider.behaviours = [half_closed]
    with pytest.raises(TransientError, match="no answer") as raised:
        connected(wire, provider).embed(payloads(1))
    assert raised.value.perhaps_paid
    assert provider.requests == [1]


def test_nobody_listens(wire: Wire) -> None:
    spec = wire.spec("http://127.0.0.1:9")
    with pytest.raises(TransientError, match="no connection") as raised:
        wire.loaded(spec).connect(spec).embed(payloads(1))
    assert not raised.value.perhaps_paid


def test_another_dimension_comes_through_to_be_refused(wire: Wire, provider: Provider) -> None:
    # Whose vector it is, and what to do, is known to the caller.
    provider.behaviours = [changed(too_short)]
    try:
        found = connected(wire, provider).embed(payloads(1)).vectors.shape
    except BrokenReplyError:
        return
    assert found == (1, wire.dimension - 1)


def test_what_is_not_finite_comes_through_to_be_refused(wire: Wire, provider: Provider) -> None:
    provider.behaviours = [changed(not_finite)]
    try:
        vectors = connected(wire, provider).embed(payloads(1)).vectors
    except BrokenReplyError:
        return
    assert not np.isfinite(vectors).all()


def test_another_number_of_vectors(wire: Wire, provider: Provider) -> None:
    provider.behaviours = [changed(one_missing)]
    with pytest.raises(BrokenReplyError):
        connected(wire, provider).embed(payloads(images_of(wire, provider)))


# Of the others the order of the reply is all that is said.
@pytest.mark.parametrize(
    "wire", sorted(name for name, one in WIRES.items() if one.indexed), indirect=True
)
def test_another_order(wire: Wire, provider: Provider) -> None:
    sent = payloads(images_of(wire, provider))
    assert len(sent) > 1
    provider.behaviours = [reordered]
    reply = connected(wire, provider).embed(sent)
    wanted = np.array([vector_of(one.data, wire.dimension) for one in sent], np.float32)
    np.testing.assert_allclose(reply.vectors, wanted, rtol=1e-6)


def test_a_refused_image(wire: Wire, provider: Provider) -> None:
    provider.behaviours = [refused]
    with pytest.raises(RefusedError, match=r"\w"):
        connected(wire, provider).embed(payloads(1))


@pytest.mark.parametrize("code", [504, 520, 524])
def test_a_gateway_may_have_lost_sight_of_the_work(
    wire: Wire, provider: Provider, code: int
) -> None:
    provider.behaviours = [status(code)]
    with pytest.raises(TransientError, match=str(code)) as raised:
        connected(wire, provider).embed(payloads(1))
    assert raised.value.perhaps_paid


def test_no_redirection_is_followed(wire: Wire, provider: Provider) -> None:
    with closing(HTTPServer(threaded=True)) as elsewhere:
        provider.behaviours = [status(307, Location=elsewhere.url_for("/taken"))]
        with pytest.raises(DeniedError, match="307: the address has moved"):
            connected(wire, provider).embed(payloads(1))
        assert elsewhere.log == []


def test_an_answer_without_content_was_answered(wire: Wire, provider: Provider) -> None:
    provider.behaviours = [lambda *_: Response("", 204)]
    with pytest.raises(BrokenReplyError):
        connected(wire, provider).embed(payloads(1))


def test_a_refused_key_is_no_refused_image(wire: Wire, provider: Provider) -> None:
    """Google's services answer to a wrong key as to a wrong image."""
    provider.behaviours = [status(400, "API key not valid. Please pass a valid API key.")]
    with pytest.raises(DeniedError, match=r"400: .*API key not valid"):
        connected(wire, provider).embed(payloads(1))


@pytest.mark.parametrize("code", [401, 403, 404])
def test_an_account_that_may_not(wire: Wire, provider: Provider, code: int) -> None:
    provider.behaviours = [status(code, "no such model or key")]
    with pytest.raises(DeniedError, match=str(code)):
        connected(wire, provider).embed(payloads(1))


@pytest.mark.parametrize(
    "behaviour",
    [status(401, f"key {PLANTED} is wrong"), half_closed, status(500, f"for {PLANTED}")],
    ids=["denied", "broken", "server"],
)
def test_an_error_carries_no_error_of_the_sdk(
    wire: Wire, provider: Provider, behaviour: Behaviour
) -> None:
    """Those may hold the request with its headers, and a traceback would show them."""
    provider.behaviours = [behaviour]
    with pytest.raises(ServiceError) as raised:
        connected(wire, provider).embed(payloads(1))
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    assert raised.value.__cause__ is None


def test_the_service_shows_no_key(wire: Wire, provider: Provider) -> None:
    service = connected(wire, provider)
    service.embed(payloads(1))  # some get a token only now
    secrets = [secret.get_secret_value() for secret in service.secrets]
    assert PLANTED in secrets
    shown = repr(service) + repr(vars(service)) + str(service.secrets)
    assert PLANTED not in shown
    assert base64.b64encode(PLANTED.encode()).decode() not in shown


def test_without_a_key_nothing_is_sent(
    wire: Wire, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in wire.environment.items():
        if PLANTED in value or name in wire.key_files:
            monkeypatch.delenv(name)
    spec = wire.spec(provider.address)
    library = wire.loaded(spec)
    assert library.identity(spec).dimension == wire.dimension  # what a cached run needs
    with pytest.raises(ModelError, match=r"no key|credentials") as raised:
        library.connect(spec)
    assert re.search(r"set \w+|credentials", str(raised.value))
    assert provider.requests == []


def test_parameters_make_another_model(wire: Wire, provider: Provider) -> None:
    one = wire.spec(provider.address)
    library = wire.loaded(one)
    two = wire.spec("http://127.0.0.1:2")
    assert library.identity(one).weights_digest != library.identity(two).weights_digest
    paced = wire.spec(provider.address, requests_per_minute=60.0, concurrency=2, retries=1)
    assert library.identity(one) == library.identity(paced)
