"""Pictures inside a page."""

import base64


def jpeg_uri(jpeg: bytes) -> str:
    """Return a JPEG file as a data URI."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"
