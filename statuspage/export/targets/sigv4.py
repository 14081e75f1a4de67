"""AWS Signature Version 4 of a request, by hand: an HMAC chain over a canonical request.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"


def signed(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    access: str,
    secret: str,
    region: str,
    at: datetime,
) -> dict[str, str]:
    """`headers` with those that prove who sends them. `url` has an encoded path."""
    parts = urlsplit(url)
    digest = hashlib.sha256(body).hexdigest()
    moment = f"{at:%Y%m%dT%H%M%SZ}"
    told = {
        **{name.lower(): " ".join(value.split()) for name, value in headers.items()},
        "host": parts.netloc,
        "x-amz-content-sha256": digest,
        "x-amz-date": moment,
    }
    names = ";".join(sorted(told))
    canonical = "\n".join(
        [
            method,
            parts.path or "/",
            _canonical_query(parts.query),
            *(f"{name}:{told[name]}" for name in sorted(told)),
            "",
            names,
            digest,
        ]
    )
    scope = f"{at:%Y%m%d}/{region}/s3/aws4_request"
    to_sign = f"{ALGORITHM}\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    signature = _hmac(key, to_sign).hex()
    return {
        **headers,
        "x-amz-content-sha256": digest,
        "x-amz-date": moment,
        "Authorization": (
            f"{ALGORITHM} Credential={access}/{scope},SignedHeaders={names},Signature={signature}"
        ),
    }


def _canonical_query(query: str) -> str:
    pairs = [part.partition("=") for part in query.split("&") if part]
    return "&".join(sorted(f"{quote(name, safe='-_.~%')}={value}" for name, _, value in pairs))


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
