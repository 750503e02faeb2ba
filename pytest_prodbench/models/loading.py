"""From a model's spec to the library that loads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pytest_prodbench import registry
from pytest_prodbench.settings.model_options import check_options, check_remote_code

if TYPE_CHECKING:
    from pytest_prodbench.models.protocol import ModelLibrary
    from pytest_prodbench.settings.types import ModelSpec


def library_for(spec: ModelSpec) -> ModelLibrary:
    """Return the library that loads a model; imports its module, which is light.

    Raises:
        SettingsError: nothing is registered under ``spec.library``, or it does not have one of the options.
    """
    library = registry.load("prodbench.models", spec.library, where=spec.where)
    check_options(spec.library, spec.options, spec.where, f"models.{spec.name}")
    if spec.trust_remote_code:
        check_remote_code(spec.library, spec.where, f"models.{spec.name}")
    return cast("ModelLibrary", library())
