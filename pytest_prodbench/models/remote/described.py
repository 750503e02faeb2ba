"""A server that the model's table describes: self-hosted, or of a vendor without a public format.

A server that speaks OpenAI's format with images (Infinity)::

    [models.clip]
    source = "http:wkcn/TinyCLIP-ViT-8M-16-Text-3M-YFCC15M"
    endpoint = "http://127.0.0.1:7997/embeddings"
    dimension = 512
    body = { model = "{model}", modality = "image", input = ["{image}"] }
    repeat = "input"
    vectors = "data[].embedding"
    index = "data[].index"
    images_per_request = 16

vLLM takes one image a request, in a message: ``body.messages = [{ role = "user", content = [{ type =
"image_url", image_url = { url = "{image}" } }] }]``, as its documentation has it (docs.vllm.ai, "OpenAI Chat
Embedding Client For Multimodal"). A server that takes the file itself: ``body = "bytes"`` and ``vectors =
"vector"``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator

from pytest_prodbench.errors import ModelError
from pytest_prodbench.models.checkpoints import model_error
from pytest_prodbench.models.remote.library import Facts, RemoteLibrary
from pytest_prodbench.models.remote.options import RemoteOptions
from pytest_prodbench.models.remote.protocol import BrokenReplyError, Limits, Payload, Reply
from pytest_prodbench.models.remote.rest import Rest, address_of, refuse_input_type
from pytest_prodbench.models.remote.vectors import by_index, stacked, usage_of

if TYPE_CHECKING:
    from pydantic import SecretStr

    from pytest_prodbench.settings.types import ModelSpec

IMAGES = ("{image}", "{image_base64}")
"""What stands for an image in a body: a data URI, or base64 alone."""

EXAMPLE = "https://HOST/v1/embeddings"


def _body(value: object) -> str | dict[str, Any]:
    if value == "bytes":
        return "bytes"
    if not isinstance(value, dict):
        raise ValueError('"bytes", or a table that is sent as JSON')  # noqa: TRY004 - pydantic's way
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise ValueError("a table of what JSON can say: no dates, no infinity") from None
    return value


def _path(value: str) -> str:
    if re.fullmatch(r"[^.[\]]+(\[\])?(\.[^.[\]]+(\[\])?)*", value) is None or value.count("[]") > 1:
        raise ValueError(
            'names with dots between them, and [] after the one list on the way: "data[].embedding"'
        )
    return value


def _to_list(value: str) -> str:
    if "[" in _path(value):
        raise ValueError('names with dots between them, the last that of the list: "input"')
    return value


Path = Annotated[str, AfterValidator(_path)]


class DescribedOptions(RemoteOptions):
    """What is sent, and where the vectors are in what comes back.

    Attributes:
        body: ``bytes``: the file of one image; or a table, sent as JSON, in whose texts ``{model}``,
            ``{image}`` (a data URI), ``{image_base64}`` and ``{media_type}`` stand for the things.
        repeat: way to the list in the body whose one item is repeated for each image; None: a request takes
            one image.
        vectors: way to the vectors in the reply, such as ``data[].embedding`` or ``vector``.
        index: way to the number of the image that a vector belongs to; None: they come in order.
        key_variable: environment variable that holds the key; None: the server asks for none.
        key_header: header that carries the key.
        key_prefix: what stands before it there.
    """

    body: Annotated[str | dict[str, Any] | None, PlainValidator(_body)] = None
    repeat: Annotated[str, AfterValidator(_to_list)] | None = None
    vectors: Path | None = None
    index: Path | None = None
    key_variable: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    key_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")] = "Authorization"
    key_prefix: Annotated[str, Field(pattern=r"^[\x20-\x7e]*$")] = "Bearer "


class DescribedLibrary(RemoteLibrary[DescribedOptions]):
    """``http:MODEL``, as its table describes it."""

    provider = "http"
    distributions = ("httpx2",)
    options = DescribedOptions

    def facts(self, spec: ModelSpec) -> Facts:
        """Return what the table says.

        Raises:
            ModelError: a key is missing, or two do not go together.
        """
        options = self.given(spec)
        address_of(spec, options, EXAMPLE)
        refuse_input_type(spec, options)
        if options.dimension is None or options.body is None or options.vectors is None:
            raise model_error(
                spec,
                found="a table that does not describe the server",
                expected="the keys endpoint, dimension, body and vectors",
                next_step="write those that are missing",
            )
        if isinstance(options.body, dict) and not _stands(options.body):
            raise _apart(spec, "a body without an image", f"one of {', '.join(IMAGES)} in a text")
        count = options.images_per_request or 1
        if options.repeat is None:
            if count > 1:
                raise _apart(
                    spec,
                    f"images_per_request {count} without repeat",
                    'the way to the list whose item is repeated for each image, such as repeat = "input"',
                )
        else:
            _check_repeated(spec, options, options.repeat)
        _check_index(spec, options)
        parameters = {"body": _text(options.body), "vectors": options.vectors}
        if options.index is not None:
            parameters["index"] = options.index
        return Facts(options.dimension, Limits(images_per_request=count), parameters)

    def connect(self, spec: ModelSpec) -> DescribedService:
        """Make the client; it sends nothing yet.

        Raises:
            ModelError: httpx2 or the key is not there, or as ``facts``.
        """
        self.sdk(spec, "httpx2")
        self.facts(spec)
        options = self.given(spec)
        key = None if options.key_variable is None else self.key(spec, options.key_variable)
        return DescribedService(spec.identifier, options, key)


class DescribedService:
    """One model of a described server."""

    def __init__(self, model: str, options: DescribedOptions, key: SecretStr | None) -> None:
        self._rest = Rest(
            str(options.endpoint), options, key, {options.key_header: options.key_prefix}
        )
        self._model, self._options = model, options
        self.secrets = self._rest.secrets

    def embed(self, images: Sequence[Payload]) -> Reply:
        """Send one request.

        Raises:
            ServiceError: nothing usable came back.
        """
        options = self._options
        if isinstance(options.body, dict):
            reply = self._rest.post(self._request(options.body, images))
        else:
            (image,) = images
            reply = self._rest.post(image.data, image.media_type)
        rows = _found(reply, str(options.vectors))
        usage = usage_of(reply.get("usage"))
        if options.index is None:
            return Reply(stacked(rows, len(images)), usage)
        entries = [
            {"index": index, "embedding": row}
            for index, row in zip(_found(reply, options.index), rows, strict=True)
        ]
        return Reply(by_index(entries, len(images)), usage)

    def _request(self, body: dict[str, Any], images: Sequence[Payload]) -> Any:
        if self._options.repeat is None:
            (image,) = images
            return _filled(body, self._model, image)
        *way, last = self._options.repeat.split(".")
        # Nothing else in it stands for an image: any of them fills the rest.
        whole = _filled(body, self._model, images[0])
        described, sent = body, whole
        for name in way:
            described, sent = described[name], sent[name]
        (item,) = described[last]
        sent[last] = [_filled(item, self._model, image) for image in images]
        return whole


def _filled(value: Any, model: str, image: Payload) -> Any:
    """Return a new value with the things in the place of what stands for them."""
    if isinstance(value, dict):
        return {name: _filled(inner, model, image) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, model, image) for inner in value]
    if not isinstance(value, str):
        return value
    value = value.replace("{model}", model).replace("{media_type}", image.media_type)
    if "{image}" in value:
        value = value.replace("{image}", image.data_uri())
    return value.replace("{image_base64}", image.base64()) if "{image_base64}" in value else value


def _stands(value: Any) -> int:
    """Return how often an image is stood for."""
    if isinstance(value, dict):
        return sum(map(_stands, value.values()))
    if isinstance(value, list):
        return sum(map(_stands, value))
    return sum(value.count(name) for name in IMAGES) if isinstance(value, str) else 0


def _found(reply: Mapping[str, Any], path: str) -> list[Any]:
    """Return what is at a path of a reply, each thing if there is a list on the way.

    Raises:
        BrokenReplyError: nothing is.
    """
    before, many, after = path.partition("[]")
    found = _at(reply, before, path)
    if not many:
        return [found]
    if not isinstance(found, list):
        raise BrokenReplyError(f"a reply without {path!r}: {before!r} is no list")
    return [_at(entry, after.removeprefix("."), path) for entry in found]


def _at(value: Any, names: str, path: str) -> Any:
    for name in names.split(".") if names else ():
        if not isinstance(value, Mapping) or name not in value:
            raise BrokenReplyError(f"a reply without {path!r}: no {name!r}")
        value = value[name]
    return value


def _check_repeated(spec: ModelSpec, options: DescribedOptions, path: str) -> None:
    inner: Any = options.body
    for name in path.split("."):
        inner = inner.get(name) if isinstance(inner, dict) else None
    if not isinstance(inner, list) or len(inner) != 1 or not _stands(inner):
        raise _apart(spec, f"repeat {path!r}", "the way to a list of one item with an image in it")
    if _stands(inner) != _stands(options.body):
        raise _apart(spec, f"an image outside of repeat {path!r}", "images in its item only")
    if "[]" not in str(options.vectors):
        raise _apart(
            spec,
            f"repeat {path!r} beside vectors {options.vectors!r}",
            'vectors of several images, with [] after the list that holds them: "data[].embedding"',
        )


def _check_index(spec: ModelSpec, options: DescribedOptions) -> None:
    if options.index is None:
        return
    lists = [path.partition("[]")[:2] for path in (options.index, str(options.vectors))]
    if lists[0] != lists[1] or not lists[0][1]:
        raise _apart(
            spec,
            f"index {options.index!r} beside vectors {options.vectors!r}",
            'both out of one list: "data[].index" beside "data[].embedding"',
        )


def _apart(spec: ModelSpec, found: str, expected: str) -> ModelError:
    return model_error(spec, found=found, expected=expected)


def _text(body: object) -> str:
    return body if isinstance(body, str) else json.dumps(body, sort_keys=True, ensure_ascii=False)
