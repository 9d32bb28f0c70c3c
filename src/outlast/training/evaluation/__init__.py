"""How good a model is, on rows it was not fitted on: figures with intervals, slices, money, and pictures of them."""
