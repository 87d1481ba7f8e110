"""Did a module's state provably stay as it was when the module had just been executed?

Everything that a module's namespace reaches is looked at, one level at a time: which objects each
object holds, compared by identity. What is immutable, or comes from elsewhere (so that executing
the module again would not renew it), ends a path. Anything else that is not known to show all its
state to Python makes the answer "not provable": then the module is executed again.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import fractions
import functools
import logging
import operator
import pathlib
import re
import sys
import types
import uuid
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Reader = Callable[[Any], list[Any]]

_MOST_NODES = 3_000
_IGNORED = ("__builtins__", "__warningregistry__")
_HEAP_TYPE, _IMMUTABLE_TYPE = 1 << 9, 1 << 8

_CONSTANTS = (
    type(None), bool, int, float, complex, str, bytes, range, type(...), type(NotImplemented),
    types.CodeType,
)  # fmt: skip
_ENDS = (
    *_CONSTANTS,
    object,
    types.ModuleType,
    re.Pattern,
    types.GenericAlias,
    type(Callable[[], None]),  # a GenericAlias with a class of its own
    types.UnionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    types.MethodWrapperType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
    decimal.Decimal,
    fractions.Fraction,
    datetime.date,
    datetime.datetime,
    datetime.time,
    datetime.timedelta,
    datetime.timezone,
    uuid.UUID,
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
    pathlib.PosixPath,
    pathlib.WindowsPath,
)
_END_TYPES = frozenset(_ENDS)
_CONSTANT_TYPES = frozenset(_CONSTANTS)


_PRIVATE_ENDS = ("_abc_data", "_tuplegetter")
"""Of abstract classes, which keep caches there, and of named tuples."""


class NotProvable(Exception):
    """Something is reached whose state cannot be seen from Python."""


class Snapshot:
    """What some modules reach, as it is now.

    Attributes:
        provable: False if something is reached whose state cannot be seen.
        form: equal for two executions of the same code that led to the same constants.
    """

    def __init__(self, modules: dict[str, types.ModuleType]) -> None:
        self.form: list[object] = [*modules]
        self._own = {id(vars(module)) for module in modules.values()}
        self._names = {module.__name__ for module in modules.values()}
        self._nodes: list[tuple[Reader, Any, list[Any]]] = []
        self._seen: set[int] = set()
        try:
            self._walk(modules.values())
            self.provable = True
        except Exception:  # NotProvable, or whatever a learner's object does when looked at
            self.provable = False

    def unchanged(self) -> bool:
        """True if everything provably is as it was."""
        if not self.provable:
            return False
        try:
            for read, thing, held in self._nodes:
                now = read(thing)
                if len(now) != len(held) or not all(map(operator.is_, now, held)):
                    return False
        except Exception:
            return False
        return True

    def _walk(self, modules: Iterable[types.ModuleType]) -> None:
        todo: list[tuple[Reader, Any]] = [(_of_module, module) for module in modules]
        while todo:
            read, thing = todo.pop()
            held = read(thing)
            self._nodes.append((read, thing, held))
            self.form.append((type(thing).__name__, len(held)))
            if len(self._nodes) > _MOST_NODES:
                raise NotProvable
            for child in held:
                if type(child) in _CONSTANT_TYPES:
                    self.form.append(child)
                elif id(child) not in self._seen:
                    self._seen.add(id(child))
                    reader = self._reader(child)
                    if reader is not None:
                        todo.append((reader, child))

    def _reader(self, thing: Any) -> Reader | None:
        """How to look into something; None if there is nothing to look for."""
        kind = type(thing)
        if kind in _END_TYPES or kind.__module__ == "typing" or kind.__name__ in _PRIVATE_ENDS:
            return None
        if isinstance(thing, logging.Logger):
            return None
        reader = _READERS.get(kind)
        if reader is not None:
            return reader
        if isinstance(thing, types.FunctionType):
            # A wrapper that a library's decorator made is not found there: it is looked into.
            own = id(thing.__globals__) in self._own
            return _of_function if own or not _is_found_by_name(thing) else None
        if isinstance(thing, type):
            own = thing.__module__ in self._names
            return _of_class if own or not _is_found_by_name(thing) else None
        if isinstance(thing, types.BuiltinFunctionType):
            return None if isinstance(thing.__self__, types.ModuleType) else _of_method
        if kind is functools._lru_cache_wrapper:
            # Its cache cannot be seen, and is our business if the function is the learner's.
            if thing.__module__ in self._names or not _is_found_by_name(thing):
                raise NotProvable
            return None
        return self._reader_of_instance(kind)

    def _reader_of_instance(self, kind: type) -> Reader:
        readers: list[Reader] = [_of_instance]
        for base in kind.__mro__[:-1]:
            if base.__module__ in self._names or _is_written_in_python(base):
                continue
            if base in _CONSTANT_TYPES or issubclass(base, BaseException):
                continue  # an enum member that is an int; an exception, whose args are below
            reader = _READERS.get(base)
            if reader is None:
                raise NotProvable
            readers.append(reader)
        if issubclass(kind, BaseException):
            readers.append(lambda error: [*error.args])
        return lambda thing: [child for read in readers for child in read(thing)]


def _is_found_by_name(thing: Any) -> bool:
    """True for a function or class that another module holds: it is not ours to renew."""
    found: Any = sys.modules.get(thing.__module__ or "")
    for name in thing.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is thing


def _is_written_in_python(kind: type) -> bool:
    """True only if instances keep nothing where Python cannot see it."""
    if not kind.__flags__ & _HEAP_TYPE or kind.__flags__ & _IMMUTABLE_TYPE:
        return False
    file = getattr(sys.modules.get(kind.__module__), "__file__", None) or ""
    return file.endswith(".py")


def _of_dict(thing: Mapping[Any, Any]) -> list[Any]:
    return [*thing.keys(), *thing.values()]


def _of_module(module: types.ModuleType) -> list[Any]:
    kept = {name: value for name, value in vars(module).items() if name not in _IGNORED}
    return _of_dict(kept)


def _of_cell(cell: types.CellType) -> list[Any]:
    try:
        return [cell.cell_contents]
    except ValueError:  # empty: nothing has been assigned yet
        return []


def _of_function(function: types.FunctionType) -> list[Any]:
    held: list[Any] = [function.__code__, *vars(function).keys(), *vars(function).values()]
    held += function.__defaults__ or ()
    held += (function.__kwdefaults__ or {}).values()
    held += function.__closure__ or ()
    return held


def _of_class(kind: type) -> list[Any]:
    return [*vars(kind).keys(), *vars(kind).values(), *kind.__bases__]


def _of_method(method: Any) -> list[Any]:
    return [method.__self__, getattr(method, "__func__", None)]


def _of_instance(thing: Any) -> list[Any]:
    kind = type(thing)
    held: list[Any] = []
    if kind.__dictoffset__:
        held += _of_dict(object.__getattribute__(thing, "__dict__"))
    for base in kind.__mro__:
        for slot in vars(base).values():
            if type(slot) is types.MemberDescriptorType:
                try:
                    held.append(slot.__get__(thing))
                except AttributeError:  # not set
                    held.append(slot)
    return held


def _of_default_dict(thing: defaultdict[Any, Any]) -> list[Any]:
    return [thing.default_factory, *_of_dict(thing)]


_READERS: dict[type, Reader] = {
    dict: _of_dict,
    OrderedDict: _of_dict,
    defaultdict: _of_default_dict,
    types.MappingProxyType: lambda view: _of_dict(dict(view)),
    list: list,
    tuple: list,
    set: list,
    frozenset: list,
    deque: list,
    bytearray: lambda content: [*content],
    types.CellType: _of_cell,
    types.MethodType: _of_method,
    staticmethod: lambda wrapper: [wrapper.__func__],
    classmethod: lambda wrapper: [wrapper.__func__],
    property: lambda it: [it.fget, it.fset, it.fdel],
    functools.cached_property: lambda it: [it.func],
    functools.partial: lambda it: [it.func, *it.args, *_of_dict(it.keywords), *_of_dict(vars(it))],
    dataclasses.Field: lambda field: [field.default, field.default_factory],
}
