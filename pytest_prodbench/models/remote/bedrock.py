"""Amazon Bedrock: embeddings of several vendors' models, through the vendor's SDK (``boto3``).

Wire format, from the service description in botocore (``bedrock-runtime``, 2023-09-30): ``InvokeModel``,
``POST /model/MODEL/invoke``, with a body in JSON of 25,000,000 bytes at most, whose form is each model's own
(bedrock_forms.py). Its errors are those listed there, with a status each.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, SecretStr

from pytest_prodbench.models.checkpoints import model_error
from pytest_prodbench.models.remote.bedrock_forms import DIMENSIONS, FORMS, PROFILE, Form
from pytest_prodbench.models.remote.http import error_of, no_answer
from pytest_prodbench.models.remote.library import Facts, RemoteLibrary
from pytest_prodbench.models.remote.options import RemoteOptions
from pytest_prodbench.models.remote.protocol import (
    BrokenReplyError,
    DeniedError,
    Payload,
    Reply,
    ServiceError,
    TransientError,
)
from pytest_prodbench.models.remote.rest import refuse_input_type
from pytest_prodbench.models.remote.vectors import stacked, usage_of

if TYPE_CHECKING:
    from pytest_prodbench.settings.types import ModelSpec

BEARER = "AWS_BEARER_TOKEN_BEDROCK"
"""A key of Bedrock alone; the SDK prefers it to credentials where it is set."""


class BedrockOptions(RemoteOptions):
    """Keys of a model of Bedrock.

    Attributes:
        region: where it runs; None: what the SDK's configuration says. Not a part of the model's identity, as
            the same model runs everywhere.
        detail_level: of Nova: DOCUMENT_IMAGE is for pages of text.
    """

    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z0-9]+)+$")] | None = None
    detail_level: Literal["STANDARD_IMAGE", "DOCUMENT_IMAGE"] = "STANDARD_IMAGE"


class BedrockLibrary(RemoteLibrary[BedrockOptions]):
    """``bedrock:MODEL``; credentials are those that boto3 finds."""

    provider = "bedrock"
    extra = "bedrock"
    distributions = ("boto3", "botocore")
    options = BedrockOptions

    def facts(self, spec: ModelSpec) -> Facts:
        """Return dimension, limits and what is asked.

        Raises:
            ModelError: a family that is not known, or an option that it has not.
        """
        options, form = self.given(spec), self._form(spec)
        dimension = self.dimension(spec, DIMENSIONS, key=PROFILE.sub("", spec.identifier))
        if form.input_types is None:
            refuse_input_type(spec, options)
        input_type = (form.input_types or {None: ""})[options.input_type]
        parameters = form.parameters(dimension, input_type, options.detail_level)
        if "detail_level" in options.model_fields_set and "detailLevel" not in parameters:
            raise model_error(
                spec,
                found="key detail_level",
                expected="none: only Nova has it",
                next_step="take it out",
            )
        return Facts(dimension, form.limits, parameters)

    def connect(self, spec: ModelSpec) -> BedrockService:
        """Look for credentials and make the SDK's client; nothing is sent to Bedrock yet.

        Raises:
            ModelError: SDK, credentials or region are not there.
        """
        boto3 = self.sdk(spec, "boto3")
        exceptions = self.sdk(spec, "botocore.exceptions")
        options = self.given(spec)
        try:
            session = boto3.Session(region_name=options.region)
            region, credentials = session.region_name, session.get_credentials()
            if credentials is not None:
                credentials.get_frozen_credentials()  # a role's are fetched now
        except (exceptions.BotoCoreError, exceptions.ClientError) as error:
            raise model_error(
                spec,
                found=f"no credentials that can be used ({_name_of(error)})",
                next_step="look at AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_PROFILE, AWS_ROLE_ARN and"
                " the files of the AWS command line",
            ) from None
        if credentials is None and not os.environ.get(BEARER):
            raise model_error(
                spec,
                found="no credentials for Amazon Bedrock",
                expected="what boto3 looks for: variables, a profile, the role of the machine",
                next_step=f"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or {BEARER};"
                " vectors that are in the cache need none",
            )
        if region is None:
            raise model_error(
                spec,
                found="credentials, and no region",
                expected="the region in which the model is enabled, such as us-east-1",
                next_step="set the key region, or AWS_REGION",
            )
        return BedrockService(
            spec.identifier, self._form(spec), self.facts(spec), options, session, credentials
        )

    def _form(self, spec: ModelSpec) -> Form:
        for part, form in FORMS.items():
            if part in spec.identifier:
                return form
        raise model_error(
            spec,
            found=f"{spec.identifier!r}: nobody here knows how it is asked",
            expected=f"an identifier with one of {', '.join(FORMS)}",
            next_step="name the model or its inference profile; an ARN does not tell what is behind it",
        )


class BedrockService:
    """One model of Bedrock."""

    def __init__(
        self,
        model: str,
        form: Form,
        facts: Facts,
        options: BedrockOptions,
        session: Any,
        credentials: Any,
    ) -> None:
        from botocore.config import Config

        self._model, self._form, self._parameters = model, form, facts.parameters
        self._credentials = credentials
        self.secrets: tuple[SecretStr, ...] = ()
        self._remember()
        self._client = session.client(
            "bedrock-runtime",
            endpoint_url=options.endpoint,
            config=Config(
                retries={"total_max_attempts": 1, "mode": "standard"},
                connect_timeout=options.timeout_s,
                read_timeout=options.timeout_s,
                max_pool_connections=max(10, options.concurrency),
                # The address is what the suite says, and stands in the evidence.
                ignore_configured_endpoint_urls=True,
            ),
        )

    def embed(self, images: Sequence[Payload]) -> Reply:
        """Send one request.

        Raises:
            ServiceError: nothing usable came back.
        """
        from botocore import exceptions
        from urllib3.exceptions import HTTPError

        try:
            self._remember()
        except (exceptions.BotoCoreError, exceptions.ClientError) as error:
            # Nothing was sent to the model. Who was asked for them may repeat a token in its message.
            raise TransientError(f"no credentials ({_name_of(error)})") from None
        try:
            answer = self._client.invoke_model(
                modelId=self._model,
                contentType="application/json",
                accept="application/json",
                body=json.dumps(self._form.body(self._parameters, images)),
            )
            body = answer["body"].read()
        except exceptions.ClientError as error:
            raise _translated(error.response) from None
        except (
            exceptions.HTTPClientError,
            exceptions.ConnectionError,
            exceptions.IncompleteReadError,
            HTTPError,
        ) as error:
            raise no_answer(error) from None
        except exceptions.BotoCoreError as error:
            raise DeniedError(f"the request could not be made ({type(error).__name__})") from None
        return self._reply(body, len(images))

    def _reply(self, body: bytes, images: int) -> Reply:
        try:
            found = json.loads(body)
            rows = self._form.rows(found)
        except (ValueError, KeyError, TypeError):
            raise BrokenReplyError(f"no vectors in {body.decode(errors='replace')}") from None
        return Reply(stacked(rows, images), usage_of(found))

    def _remember(self) -> None:
        """Know the credentials that are in use: those of a role are others every hour."""
        known = [os.environ.get(BEARER)]
        if self._credentials is not None:
            frozen = self._credentials.get_frozen_credentials()
            known += [frozen.access_key, frozen.secret_key, frozen.token]
        self.secrets = tuple(SecretStr(value) for value in known if value)


def _name_of(error: Any) -> str:
    """Return what an error of the SDK is called: a service's own word for it, else its class."""
    told = getattr(error, "response", {}).get("Error", {})
    return str(told.get("Code") or type(error).__name__)


def _translated(response: Mapping[str, Any]) -> ServiceError:
    about, told = response.get("ResponseMetadata", {}), response.get("Error", {})
    status, headers = about.get("HTTPStatusCode", 0), about.get("HTTPHeaders", {})
    code, message = str(told.get("Code", "")), str(told.get("Message", ""))
    error = error_of(status, headers, f"{code}: {message}")
    if code == "ModelErrorException":  # 424: the model failed at it, and may not the next time
        return TransientError(error.reason)
    if code == "ServiceQuotaExceededException" or re.search(
        r"model id(entifier)?\b", message, re.IGNORECASE
    ):
        return DeniedError(error.reason)  # 400 as for an image, and yet not about it
    return error
