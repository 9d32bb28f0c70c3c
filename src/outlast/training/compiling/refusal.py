"""Why a model is not compiled, in one sentence."""


class NotCompiled(Exception):
    """Something of a fitted model that has no equal form as data; the fitted model serves then."""
