"""Frozen, slotted values without the price of :mod:`dataclasses`.

Importing ``dataclasses`` costs as much as starting the interpreter, and a look-up has to start, answer and end within
two and a half of those. A class that derives from :class:`Value` and annotates its fields gets the same things: slots,
a constructor, equality, hash, repr, pattern matching; type checkers see a frozen dataclass (PEP 681). The constructor
is compiled when the class is first used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, Self, dataclass_transform
else:

    def dataclass_transform(**_: object) -> object:
        """Stand in for typing's, which tells type checkers alone."""
        return lambda cls: cls


def _constructor(cls: type, fields: tuple[str, ...], defaults: dict[str, object]) -> object:
    """The ``__new__`` of a class: fills a twin that is not frozen, then turns it into the class.

    Half the price of going round ``__setattr__`` field by field, which ten thousand sockets would feel.
    """
    twin = {"__slots__": fields, "__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    scope: dict[str, object] = {"_twin": type.__new__(ValueType, cls.__name__, (Value,), twin), "_new": object.__new__}
    scope["_defaults"] = defaults
    arguments = "".join(f", {name}=_defaults[{name!r}]" if name in defaults else f", {name}" for name in fields)
    body = "".join(f"\n    _self.{name} = {name}" for name in fields)
    text = f"def __new__(_cls{arguments}):\n    _self = _new(_twin){body}\n    _self.__class__ = _cls\n    return _self"
    exec(text, scope)  # noqa: S102 - only our own field names
    return scope["__new__"]


@dataclass_transform(frozen_default=True, eq_default=True)
class ValueType(type):
    """Turns annotations into slots and class-level defaults into constructor defaults."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> ValueType:
        """Make the class; ``__fields__`` lists the field names in order."""
        own = tuple(key for key in namespace.get("__annotations__", {}) if not key.startswith("_"))
        defaults = {key: namespace.pop(key) for key in own if key in namespace}
        namespace.setdefault("__slots__", own)
        namespace["__fields__"] = namespace["__match_args__"] = own
        namespace["_value_defaults"] = defaults
        return super().__new__(mcs, name, bases, namespace)


class Value(metaclass=ValueType):
    """Base of every value: immutable, equal by content, hashable."""

    __slots__ = ()
    if TYPE_CHECKING:
        __fields__: ClassVar[tuple[str, ...]]
        _value_defaults: ClassVar[dict[str, Any]]
    else:

        def __new__(cls, *values: object, **named: object) -> Self:
            """First use of the class: compile its constructor, then run it."""
            cls.__new__ = staticmethod(_constructor(cls, cls.__fields__, cls._value_defaults))
            return cls.__new__(cls, *values, **named)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be deleted")

    def _key(self) -> tuple[object, ...]:
        return tuple([getattr(self, name) for name in self.__fields__])

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__fields__)
        return f"{type(self).__name__}({inside})"

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), self._key()

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        values = {name: getattr(self, name) for name in self.__fields__}
        return type(self)(**(values | changes))
