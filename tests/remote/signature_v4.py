"""AWS Signature Version 4, computed again from "Create a signed AWS API request" of the IAM user guide."""

from __future__ import annotations

import hashlib
import hmac
import re
from urllib.parse import quote

from werkzeug import Request


def check(request: Request, access_key: str, secret: str, region: str, service: str) -> None:
    """Fail where a request was not signed with this key, or changed afterwards."""
    given = request.headers["Authorization"]
    parts = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=(\S+), SignedHeaders=(\S+), Signature=([0-9a-f]{64})", given
    )
    assert parts is not None, given
    credential, names, signature = parts.groups()
    moment = request.headers["X-Amz-Date"]
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    assert credential == f"{access_key}/{scope}"
    assert "host" in names.split(";")
    sent = str(request.environ["RAW_URI"])
    canonical = "\n".join(
        (
            request.method,
            quote(sent, safe="/-_.~"),  # every service but S3 encodes the path twice
            "",
            *(f"{name}:{request.headers[name].strip()}" for name in names.split(";")),
            "",
            names,
            hashlib.sha256(request.get_data()).hexdigest(),
        )
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{secret}".encode()
    for step in (*scope.split("/"), f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}"):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    assert signature == key.hex()
