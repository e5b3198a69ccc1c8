"""The model's public name put back where Triton wrote its own. Pure, on bytes: tensors are never decoded.

Triton writes compact JSON. Inside a JSON string every quotation mark is escaped, so the searched bytes, which hold
bare ones, cannot occur in a caller's data.
"""

from __future__ import annotations


def in_inference(head: bytes, triton_name: str, model: str) -> bytes:
    """Return the JSON head of an inference answer under the public name."""
    return head.replace(_member("model_name", triton_name), _member("model_name", model), 1)


def in_object(body: bytes, triton_name: str, model: str) -> bytes:
    """Return metadata, a configuration or statistics under the public name."""
    return body.replace(_member("name", triton_name), _member("name", model))


def in_message(message: str, triton_name: str, model: str) -> str:
    """Return Triton's words about the model under the public name."""
    return message.replace(triton_name, model)


def _member(key: str, value: str) -> bytes:
    return f'"{key}":"{value}"'.encode()
