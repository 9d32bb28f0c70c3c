"""Whatever is sent to MLflow's protocol, the answer is right or a refusal in our one form."""

import json
from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from late_project import ROW

QUICK = settings(
    derandomize=True, database=None, deadline=None, max_examples=100, suppress_health_check=list(HealthCheck)
)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=6,
)
NAMES = st.sampled_from([*ROW, "flight", "x", ""]) | st.text(max_size=3)
ROWS = st.lists(st.just(ROW) | st.dictionaries(NAMES, JUNK, max_size=3) | JUNK, max_size=3)
COLUMNS = st.just({name: [value] for name, value in ROW.items()}) | st.dictionaries(NAMES, JUNK, max_size=4)
SPLIT = st.fixed_dictionaries(
    {"data": st.just([list(ROW.values())]) | JUNK}, optional={"columns": st.just(list(ROW)) | JUNK, "index": JUNK}
)
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "dataframe_records": ROWS,
        "dataframe_split": SPLIT | JUNK,
        "instances": ROWS | JUNK,
        "inputs": COLUMNS | ROWS | JUNK,
        "params": st.just({}) | JUNK,
    },
)
CELLS = st.sampled_from([str(value) for value in ROW.values()]) | st.text(max_size=5)
LINES = st.lists(st.just([str(value) for value in ROW.values()]) | st.lists(CELLS, max_size=5), max_size=3)
TABLES = st.tuples(st.just(list(ROW)) | st.lists(NAMES, max_size=5), LINES).map(
    lambda both: "\n".join(",".join(line) for line in (both[0], *both[1])).encode("utf-8", "surrogatepass")
)


def checked(answer: httpx.Response) -> int:
    if answer.status_code == 200:
        assert all(one["rung"] == "full" for one in answer.json()["predictions"])
    else:
        assert answer.status_code in (400, 422), answer.text
        assert answer.json()["error"]["kind"] in ("json", "csv", "request")
        assert answer.json()["error"]["message"]
    return answer.status_code


def test_every_body_in_json_is_answered_or_refused(client: httpx.Client) -> None:
    seen = set()

    @QUICK
    @given(BODIES | JUNK)
    def tried(body: Any) -> None:
        headers = {"content-type": "application/json"}
        seen.add(checked(client.post("/invocations", content=json.dumps(body), headers=headers)))

    tried()
    assert {200, 422} <= seen <= {200, 400, 422}


def test_every_body_in_csv_is_answered_or_refused(client: httpx.Client) -> None:
    seen = set()

    @QUICK
    @given(TABLES | st.binary(max_size=40))
    def tried(body: bytes) -> None:
        seen.add(checked(client.post("/invocations", content=body, headers={"content-type": "text/csv"})))

    tried()
    assert {200, 422} <= seen <= {200, 400, 422}
