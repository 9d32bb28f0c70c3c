"""What a model's code loads in vain where its compiled version is served."""

from pathlib import Path

import pytest

from outlast.project.loader import load_project
from outlast.training.compiling.tops import loaded_in_vain

MODEL = """
{top}
from outlast import Model, Source

facts = Source("facts", "facts.parquet", key="id", time="at")


def fit(x, y, seed):
    import scipy.stats


def given(rows{annotated}):
    return rows[["a"]].rename(columns={{"a": "b"}})


model = Model("one", asks=facts["a"], features=[given], label=facts["y"], fit=fit)
"""
CONTRACT = '[model]\nproblem = "p"\nowner = "o@example.com"\ntask = "binary"\n\n[label]\ndelay = "1h"\n'


@pytest.mark.parametrize(
    ("top", "annotated", "expected"),
    [
        ("", "", []),
        ("import numpy, math", "", []),
        ("import pandas as pd", "", ["pandas"]),
        ("import pandas as pd", ": pd.DataFrame", []),
        ("from sklearn.linear_model import LogisticRegression\nimport scipy.stats", "", ["scipy", "sklearn"]),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import sklearn", "", []),
        ("try:\n    import matplotlib\nexcept ImportError:\n    pass", "", ["matplotlib"]),
        ("if 2 > 1:\n    from contextlib import suppress\n    with suppress(ImportError):\n        import sklearn", "",
         ["sklearn"]),
        ("class Inside:\n    def late(self):\n        import sklearn", "", []),
    ],
)  # fmt: skip
def test_only_what_is_loaded_at_the_top_and_needed_by_training_alone_is_named(
    tmp_path: Path, top: str, annotated: str, expected: list[str]
) -> None:
    (tmp_path / "model.py").write_text(MODEL.format(top=top, annotated=annotated))
    (tmp_path / "outlast.toml").write_text(CONTRACT)
    assert loaded_in_vain(load_project(tmp_path)).get("in_vain", []) == expected
