"""What is known by a name, and what is like itself alone."""

import sys
import weakref


def is_importable(thing) -> bool:
    """Return whether a function or class is what its module holds under its name."""
    if thing.__module__ == "__main__":
        return False
    found = sys.modules.get(thing.__module__)
    for name in thing.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is thing


class Itself:
    """Equal to what stands for the same object, as long as that lives."""

    def __init__(self, thing):
        self.thing, self.number = weakref.ref(thing), id(thing)

    def __eq__(self, other):
        if self is other or not isinstance(other, Itself):
            return self is other
        return self.thing() is not None and self.thing() is other.thing()

    def __hash__(self):
        return self.number

    def __repr__(self):
        return f"variable {self.number}"
