"""Closed vocabularies: :class:`enum.StrEnum` to type checkers, and the same in use, without importing ``enum``.

``enum`` with what it needs takes half as long as starting the interpreter. A subclass of :class:`Word` is read,
compared, iterated and called like a ``StrEnum``; only ``isinstance(x, enum.Enum)`` is false.
"""

from __future__ import annotations

__all__ = ["Word"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from enum import StrEnum as Word
else:

    class WordType(type):
        """Turns the strings of a class body into its members, in order."""

        def __new__(mcs, name, bases, namespace):
            """Make the class and one singleton per word."""
            words = {key: value for key, value in namespace.items() if type(value) is str and key[0] != "_"}
            cls = super().__new__(mcs, name, bases, {k: v for k, v in namespace.items() if k not in words})
            cls.__members__ = {}
            cls._by_value = {}
            for key, value in words.items():
                word = str.__new__(cls, value)
                word.name, word.value = key, value
                cls.__members__[key] = cls._by_value[value] = word
                type.__setattr__(cls, key, word)
            return cls

        def __call__(cls, value):
            """The member of a value; ``ValueError`` when there is none."""
            try:
                return cls._by_value[value]
            except (KeyError, TypeError):
                raise ValueError(f"{value!r} is not a valid {cls.__name__}") from None

        def __iter__(cls):
            return iter(cls.__members__.values())

        def __len__(cls):
            return len(cls.__members__)

        def __contains__(cls, value):
            return value in cls._by_value

        def __setattr__(cls, name, value):
            if name in ("__members__", "_by_value") and name not in cls.__dict__:
                return super().__setattr__(name, value)
            raise AttributeError(f"{cls.__name__} is closed: {name} cannot be set")

    class Word(str, metaclass=WordType):
        """Base of every vocabulary."""

        def __str__(self):
            return self.value

        def __repr__(self):
            return f"<{type(self).__name__}.{self.name}: {self.value!r}>"

        def __format__(self, spec):
            return format(self.value, spec)

        def __reduce__(self):
            return type(self), (self.value,)
