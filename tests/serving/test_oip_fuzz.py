"""Whatever is sent as an inference request, the answer is right or a refusal in the protocol's own form."""

import json
from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from late_project import ROW

INFER = "/v2/models/late/infer"
NAMES = [*ROW, "flight", "decide_at", "x", "\ud800", ""]
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=6,
)
VALUES = st.sampled_from([*ROW.values(), None, 1, -1.5, 2**63, "2013-06-20T00:00:00Z", "", True]) | JUNK
PARAMETERS = st.none() | st.fixed_dictionaries(
    {}, optional={"binary_data_size": st.integers(-1, 12) | JUNK, "binary_data": JUNK, "classification": JUNK}
)
TENSORS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(NAMES),
        "datatype": st.sampled_from(["BYTES", "FP64", "FP32", "INT64", "BOOL", "BF16"]),
        "shape": st.sampled_from([[1], [1, 1], [2], [1, 4], [0], []]) | JUNK,
    },
    optional={"data": st.lists(VALUES, max_size=4) | JUNK, "parameters": PARAMETERS},
)
VALID = st.permutations(
    [
        {"name": name, "datatype": "FP64" if isinstance(value, float) else "BYTES", "shape": [1], "data": [value]}
        for name, value in ROW.items()
    ]
)
OUTPUTS = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from(["score", "decision", "warnings", "scores"])}), max_size=3
)
BODIES = st.fixed_dictionaries(
    {"inputs": VALID | st.lists(TENSORS, max_size=5) | st.tuples(VALID, TENSORS).map(lambda both: [*both[0], both[1]])},
    optional={
        "id": st.text(max_size=5) | JUNK,
        "outputs": OUTPUTS | JUNK,
        "parameters": st.fixed_dictionaries({}, optional={"binary_data_output": st.booleans()}) | JUNK,
    },
)


def test_every_body_is_answered_or_refused(client: httpx.Client) -> None:
    seen = set()

    @settings(derandomize=True, database=None, deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
    @given(body=BODIES | JUNK, tail=st.none() | st.binary(max_size=24), off=st.just(0) | st.integers(-2, 2))
    def tried(body: Any, tail: bytes | None, off: int) -> None:
        head = json.dumps(body).encode()
        headers = {} if tail is None else {"inference-header-content-length": str(max(0, len(head) + off))}
        answer = client.post(INFER, content=head + (tail or b""), headers=headers)
        seen.add(answer.status_code)
        (answered if answer.status_code == 200 else refused)(answer)

    tried()
    assert {200, 422} <= seen <= {200, 400, 422}


def answered(answer: httpx.Response) -> None:
    length = int(answer.headers.get("inference-header-content-length", len(answer.content)))
    found = json.loads(answer.content[:length])
    assert (found["model_name"], found["model_version"]) == ("late", "1")
    sizes = [one["parameters"]["binary_data_size"] for one in found["outputs"] if "parameters" in one]
    assert sum(sizes) == len(answer.content) - length


def refused(answer: httpx.Response) -> None:
    assert answer.status_code in (400, 422), answer.text
    assert isinstance(answer.json()["error"], str)
    assert answer.json()["kind"] in ("json", "request")
