"""Classify one held-out image through the API with the unmodified Triton client (pip install tritonclient[http]).

    MOORAGE_API_KEY=... python examples/tritonclient_digits.py --url http://localhost:8080 --tenant acme

The client's address is the tenant's base path; the API key goes into a header. Nothing else differs from plain Triton.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import tritonclient.http as triton

HELD_OUT = Path(__file__).parent / "digits" / "heldout.json"


def client(url: str, tenant: str) -> triton.InferenceServerClient:
    """Return the client of a tenant; it wants the address without the scheme."""
    parts = urlsplit(url)
    base = f"{parts.netloc}{parts.path.rstrip('/')}/api/v1/tenants/{tenant}"
    return triton.InferenceServerClient(base, ssl=parts.scheme == "https")


def classify(server: triton.InferenceServerClient, key: str, pixels: list[int]) -> tuple[int, float]:
    """Return the digit that the model sees in an image of 64 grey values, and how sure it is."""
    image = triton.InferInput("IMAGE", [1, 64], "FP32")
    image.set_data_from_numpy(np.array([pixels], dtype=np.float32))
    answer = server.infer("digits", [image], headers={"Authorization": f"Bearer {key}"})
    return int(answer.as_numpy("LABEL")[0, 0]), float(answer.as_numpy("PROBABILITIES").max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True, help="address of the API, such as http://localhost:8080")
    parser.add_argument("--tenant", default="acme")
    parser.add_argument("--key-file", type=Path, help="file with the API key; without it MOORAGE_API_KEY is read")
    parser.add_argument("--image", type=int, default=0, help="which held-out image (%(default)s)")
    options = parser.parse_args()
    key = options.key_file.read_text(encoding="utf-8") if options.key_file else os.environ["MOORAGE_API_KEY"]
    held_out = json.loads(HELD_OUT.read_text(encoding="utf-8"))
    digit, sure = classify(client(options.url, options.tenant), key.strip(), held_out["images"][options.image])
    print(f"image {options.image} shows {held_out['labels'][options.image]}; the model says {digit} ({sure:.0%} sure)")


if __name__ == "__main__":
    main()
