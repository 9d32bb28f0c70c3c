"""The last step before a version is registered: its bundle, opened as a server opens it, gives its golden answers."""

from collections.abc import Mapping
from typing import Any

from outlast.bundle.format import encode, pack, unpack
from outlast.bundle.predictor import Predictor
from outlast.bundle.replay import answers_of, replay, replayable, simpler_answers_of
from outlast.errors import TrainingError
from outlast.storage.fresh import FreshStore


def proven(manifest: Mapping[str, Any], files: Mapping[str, bytes], store: FreshStore) -> tuple[bytes, dict[str, Any]]:
    """The golden rows with the answers that servers must give again, and how many rows and facts they are.

    What a row gets through the Predictor must be its features of training to the last bit, and the scores of the
    evaluation within `[serving] tolerance`, with the same decision; TrainingError where it is not.
    """
    predictor = Predictor(unpack(pack(manifest, files)), 0, store)
    done = replay(predictor, exact=True)
    if done.passed is not True:
        raise TrainingError(
            f"Model '{predictor.model}' answers otherwise than it was evaluated, so no version was made: "
            f"{done.sentence}; see which code or state the two do not share"
        )
    chosen = replayable(predictor)
    for golden, answer in zip(chosen, answers_of(predictor, chosen), strict=True):
        golden["answer"] = answer
    for golden, answer in zip(predictor.golden, simpler_answers_of(predictor), strict=False):
        golden["simpler"]["answer"] = answer
    summary = {"rows": done.rows, "whole": done.whole, "facts": done.facts, "says": done.sentence}
    return encode(predictor.golden), summary
