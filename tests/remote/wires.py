"""Every provider's wire format, by the name of its module: one library may speak several."""

from __future__ import annotations

import wire_azure_foundry
import wire_azure_vision
import wire_bedrock_cohere
import wire_bedrock_nova
import wire_bedrock_titan
import wire_cohere
import wire_gemini
import wire_gemini_on_vertex
import wire_http_bytes
import wire_http_json
import wire_jina
import wire_vertex
import wire_voyage

WIRES = {
    module.__name__.removeprefix("wire_"): module.WIRE
    for module in (
        wire_azure_foundry,
        wire_azure_vision,
        wire_bedrock_cohere,
        wire_bedrock_nova,
        wire_bedrock_titan,
        wire_cohere,
        wire_gemini,
        wire_gemini_on_vertex,
        wire_http_bytes,
        wire_http_json,
        wire_jina,
        wire_vertex,
        wire_voyage,
    )
}
