"""Triton's name goes, the public one stands, and a caller's data stays what it was."""

from __future__ import annotations

import orjson

from moorage_api.gateway import renaming

TRITON, PUBLIC = "sentiment--aaaaaaaa", "sentiment"


def test_the_head_of_tensors_carries_the_public_name() -> None:
    head = orjson.dumps({"id": "7", "model_name": TRITON, "model_version": "1", "outputs": []})
    assert orjson.loads(renaming.in_inference(head, TRITON, PUBLIC)) == {
        "id": "7",
        "model_name": PUBLIC,
        "model_version": "1",
        "outputs": [],
    }


def test_a_callers_text_that_looks_like_the_member_is_left_alone() -> None:
    text = f'"model_name":"{TRITON}"'
    head = orjson.dumps({"id": text, "model_name": TRITON, "outputs": [{"data": [text, TRITON]}]})
    renamed = orjson.loads(renaming.in_inference(head, TRITON, PUBLIC))
    assert renamed == {"id": text, "model_name": PUBLIC, "outputs": [{"data": [text, TRITON]}]}


def test_statistics_carry_the_public_name_everywhere() -> None:
    body = orjson.dumps({"model_stats": [{"name": TRITON, "version": "1"}, {"name": TRITON, "version": "2"}]})
    renamed = orjson.loads(renaming.in_object(body, TRITON, PUBLIC))
    assert [each["name"] for each in renamed["model_stats"]] == [PUBLIC, PUBLIC]


def test_tritons_words_speak_of_the_public_name() -> None:
    assert renaming.in_message(f"unexpected shape for model '{TRITON}'", TRITON, PUBLIC) == (
        "unexpected shape for model 'sentiment'"
    )
