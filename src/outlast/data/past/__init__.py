"""What a version remembers of its reference beside the frozen bins, so that the watch needs no row of training.

Counts per hour, the scale of its loss, a tree over cells that tells where the loss lies, pairs of cells that lose most
together, and a sample of rows. Counts alone say what is usual; the sample answers what counts cannot.
"""

from outlast.data.past.blocks import HOUR, Blocks, blocks_of
from outlast.data.past.declared import Declared
from outlast.data.past.loss import MILLS, LossScale
from outlast.data.past.pairs import Pairs
from outlast.data.past.past import Past, Reference, Sample, Totals, past_of
from outlast.data.past.tree import LEAVES, HarmTree
from outlast.data.past.written import FILE, from_bytes, to_bytes

__all__ = [
    "FILE", "HOUR", "LEAVES", "MILLS", "Blocks", "Declared", "HarmTree", "LossScale", "Pairs", "Past", "Reference",
    "Sample", "Totals", "blocks_of", "from_bytes", "past_of", "to_bytes",
]  # fmt: skip
