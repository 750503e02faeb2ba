"""Every provider's wire format, by the name of its module: one library may speak several."""

from __future__ import annotations

import wire_azure_foundry
import wire_azure_vision
import wire_cohere
import wire_http_bytes
import wire_http_json
import wire_jina
import wire_voyage

WIRES = {
    module.__name__.removeprefix("wire_"): module.WIRE
    for module in (
        wire_azure_foundry,
        wire_azure_vision,
        wire_cohere,
        wire_http_bytes,
        wire_http_json,
        wire_jina,
        wire_voyage,
    )
}
