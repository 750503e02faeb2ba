"""Every provider's wire format, by the name of its library."""

from __future__ import annotations

import wire_cohere

WIRES = {module.WIRE.library: module.WIRE for module in (wire_cohere,)}
