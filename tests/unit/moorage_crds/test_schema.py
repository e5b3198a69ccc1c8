from moorage_crds.tenant import parse_spec


def test_defaults_are_shared_and_not_copied_for_each_spec() -> None:
    first, second = (parse_spec({"spec": {}}) for _ in range(2))
    assert first.inference is second.inference
    assert first.inference.model_dump() == second.inference.model_dump()
