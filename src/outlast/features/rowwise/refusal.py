"""The two ways out: nothing is compiled, or one row goes back to the frame."""


class Refused(Exception):
    """An expression, a type or an option for which equal results are not promised: the function stays with frames."""


class Unsure(Exception):
    """A value for which equal results are not promised: this one row is computed by a frame."""
