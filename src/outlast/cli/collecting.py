"""How often Python looks for garbage: seldom while libraries load, as it does by itself while requests are answered."""

import gc

_USUAL = gc.get_threshold()
_SELDOM = (50_000, 20, 50)
"""Loading libraries makes a hundred thousand objects, none of which can go: looking took a tenth of a second."""


def seldom() -> None:
    """Look for garbage seldom from now on."""
    gc.set_threshold(*_SELDOM)


def usually() -> None:
    """Look as often as Python does by itself: each look is short, and holds up no request for long."""
    gc.set_threshold(*_USUAL)
