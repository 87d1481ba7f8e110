"""Finds what a learner wrote for an exercise, and gives every world a fresh copy of it."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import random
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from . import loading, tree
from .complaints import BadSubmission, Complaint, MissingName
from .state import Snapshot

_MOST_KEPT = 8
"""Processes of one world whose modules are kept for those of the next."""


class Copies:
    """The copies of one exercise's files: at most one of each file is in use at a time.

    A single file becomes a module with a private name. The files of an exercise that is a folder
    are known to each other by their plain names.
    """

    def __init__(self, exercise: tree.Exercise, path: Path) -> None:
        self.exercise = exercise
        self.path = path
        self.complaint: Complaint | None = None
        self._tried: object = None
        self._modules: dict[str, ModuleType] = {}
        # Executed in worlds, and known to be as just executed: the first one for the process with
        # which a world begins, the next ones for those that are started later. For nothing else.
        self._kept: list[tuple[dict[str, ModuleType], Snapshot] | None] = [None] * _MOST_KEPT
        self._starts = 0
        self._forms: dict[tuple[str, ...], list[object]] = {}
        self._varies = False
        self._finder = _Siblings(self) if exercise.folder else None
        self._prefix = str(path) + os.sep
        self._hiding: dict[str, bool] = {}
        self.name = "" if exercise.folder else _private_name(exercise)
        self._wanted: list[str] = [self.name] if self.name else []

    def is_learner(self, filename: str) -> bool:
        """True for files of this submission."""
        if not self.exercise.folder:
            return filename == str(self.path)
        return filename.startswith(self._prefix) and tree.is_stub(Path(filename))

    def files(self) -> dict[str, Path]:
        """The files that exist, by the names of their modules."""
        if not self.exercise.folder:
            return {self.name: self.path}
        found = {path.stem: path for path in sorted(self.path.glob("*.py")) if tree.is_stub(path)}
        return {name: path for name, path in found.items() if not self._hides_library(name)}

    def _hides_library(self, name: str) -> bool:
        """A file called like a library would be imported in its place, by everybody."""
        if name not in self._hiding:
            spec = importlib.machinery.PathFinder.find_spec(name)
            elsewhere = spec is not None and not str(spec.origin).startswith(self._prefix)
            self._hiding[name] = elsewhere or name in sys.stdlib_module_names
        return self._hiding[name]

    def enter(self) -> None:
        """Make the files importable, and try once whether they can be executed at all."""
        if self._finder is not None:
            sys.meta_path.insert(0, self._finder)
        version = [(path, _version(path)) for path in self.files().values()]
        if version != self._tried:
            self._tried, self.complaint = version, None
            self._forms, self._varies, self._kept = {}, False, [None] * _MOST_KEPT
            self._wanted = [name for name in self._wanted if name in self.files()]
            self.forget()
            try:
                self._try_out()
            except BadSubmission as bad:
                self.complaint = bad.complaint
        self.forget()

    def leave(self) -> None:
        """Take the modules away again."""
        for name in self.files().keys() | self._modules.keys():
            sys.modules.pop(name, None)
        if self._finder is not None and self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)

    def _try_out(self) -> None:
        if self.exercise.folder and not self.path.is_dir():
            raise BadSubmission(Complaint(str(self.path), "is not there."))
        for name, path in self.files().items():
            code = loading.compiled(path)
            if name not in self._modules:
                with loading.guarded(self.is_learner, str(path)):
                    self._execute(name, path, code)

    def forget(self) -> None:
        """The next use of a module executes it again."""
        for name in self._modules:
            sys.modules.pop(name, None)
        self._modules = {}

    def renew(self) -> None:
        """Have every module as if just executed.

        Executing is left out while nothing can have changed: two executions, in different worlds,
        led to the same state, and that state is provably still what it was.
        """
        self._starts = 0
        self._start()

    def restart(self) -> None:
        """As `renew`, and apart from what is in use: that goes on with its own modules."""
        self._starts += 1
        self._start()

    def _start(self) -> None:
        nth = min(self._starts, _MOST_KEPT)
        kept = self._kept[nth] if nth < _MOST_KEPT else None
        self.forget()
        if kept is not None and len(kept[0]) == len(self._wanted) and kept[1].unchanged():
            self._modules = dict(kept[0])
            sys.modules.update(self._modules)
            return
        chance = random.getstate()
        for name in self._wanted:
            self.module(name)
        if self._varies or random.getstate() != chance:
            self._varies = True
            return
        snapshot, wanted = Snapshot(self._modules), tuple(self._wanted)
        form = self._forms.setdefault(wanted, snapshot.form)
        if not snapshot.provable or form != snapshot.form:
            self._varies = True
        elif form is not snapshot.form and nth < _MOST_KEPT:
            self._kept[nth] = dict(self._modules), snapshot

    def module(self, name: str) -> ModuleType:
        """The module of one file, executed now if it has not been.

        Raises:
            BadSubmission: it cannot be executed.
        """
        if self.complaint is not None:
            raise BadSubmission(self.complaint)
        module = self._modules.get(name)
        if module is not None:
            return module
        path = self.files()[name]
        if name not in self._wanted:
            self._wanted.append(name)
        return self._execute(name, path, loading.compiled(path))

    def _execute(self, name: str, path: Path, code: Any) -> ModuleType:
        module = loading.new_module(name, path)
        self._modules[name] = module
        try:
            loading.execute(code, module, self.is_learner)
        except BaseException:
            self._modules.pop(name, None)
            sys.modules.pop(name, None)
            raise
        return module


class Submission:
    """What a test sees of a learner's file: its names, and `renew()` for a fresh state.

    For an exercise that is a folder, `submission.shop` is the file shop.py.
    """

    def __init__(self, copies: Copies, name: str) -> None:
        vars(self)["_copies"] = copies
        vars(self)["_name"] = name

    def renew(self) -> Submission:
        """The same names, with the module's state as if it had just been executed."""
        self._copies.renew()
        return self

    def restart(self) -> Submission:
        """The same names, as if executed anew, as in another process: they share no state with
        what is in use already, which goes on as it is."""
        self._copies.restart()
        return self

    def __getattr__(self, name: str) -> Any:
        copies: Copies = vars(self)["_copies"]
        own: str = vars(self)["_name"]
        if not own:
            if name in copies.files():
                return Submission(copies, name)
            if name.startswith("__"):
                raise AttributeError(name)
            if copies.complaint is not None:
                raise BadSubmission(copies.complaint)
            raise MissingName(_about_missing_file(copies, name))
        module = copies.module(own)
        try:
            return getattr(module, name)
        except AttributeError:
            if name.startswith("__"):
                raise
        raise MissingName(_about_missing_name(module, name)) from None

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a name in the learner's module, where its functions look it up."""
        setattr(self._copies.module(self._name), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._copies.module(self._name), name)

    def __dir__(self) -> list[str]:
        if not self._name:
            return sorted(self._copies.files())
        return dir(self._copies.module(self._name))

    def __repr__(self) -> str:
        return f"<submission {self._copies.path}>"


def _about_missing_name(module: ModuleType, name: str) -> Complaint:
    from difflib import get_close_matches

    public = [
        key
        for key, value in vars(module).items()
        if isinstance(value, FunctionType | type)
        and not key.startswith("_")
        and value.__module__ == module.__name__
    ]
    near = get_close_matches(name, public, n=1)
    hint = f" Did you mean {near[0]}? It has to be called {name}." if near else ""
    has = f"It has: {', '.join(public)}." if public else "It has no functions or classes at all."
    file = str(module.__file__)
    return Complaint(file, f"has no {name}.{hint}", (has,), unreadable=False)


def _about_missing_file(copies: Copies, name: str) -> Complaint:
    rows = (f"It has: {', '.join(f'{stem}.py' for stem in copies.files())}.",)
    return Complaint(str(copies.path), f"has no {name}.py.", rows, unreadable=False)


class _Siblings(importlib.abc.MetaPathFinder):
    """Lets the files of one folder import each other, and nobody else's."""

    def __init__(self, copies: Copies) -> None:
        self._copies = copies

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if path is not None or "." in name:
            return None
        file = self._copies.files().get(name)
        if file is None:
            return None
        return importlib.util.spec_from_file_location(
            name, file, loader=_SiblingLoader(self._copies)
        )


class _SiblingLoader(importlib.abc.Loader):
    def __init__(self, copies: Copies) -> None:
        self._copies = copies

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return self._copies.module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """It has been executed when it was made."""


def _private_name(exercise: tree.Exercise) -> str:
    return "submission_" + re.sub(r"\W", "_", exercise.key)


def _version(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size
