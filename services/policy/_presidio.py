"""Presidio's recognizers without what they never use here.

``presidio_analyzer`` imports spaCy (and with it thinc and numpy) for its NLP engines: 1.8 s and 65 MB at start, of which the pattern
recognizers need nothing. During its import, and only then, this module answers for the packages spaCy and thinc with empty ones. If a
later presidio does not live with that, it is imported as it comes: slower, and as right.
"""

import importlib
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_UNUSED = ("spacy", "thinc")


class _Nothing(type):
    """A class of this type answers every attribute with itself, and every use as a decorator with what it decorates."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return cls

    def __call__(cls, *_: Any, **__: Any) -> Any:
        return lambda decorated: decorated  # pyright: ignore[reportUnknownLambdaType, reportUnknownVariableType]  # any decorator


class _Absent(metaclass=_Nothing):
    """Stands for each name that is imported from an unused package."""


class _AbsentModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Absent


class _Finder(MetaPathFinder, Loader):
    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002  # the import system's signature
        target: ModuleType | None = None,  # noqa: ARG002  # the import system's signature
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self, is_package=True) if fullname.partition(".")[0] in _UNUSED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _AbsentModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: the module answers by ``__getattr__``."""


@contextmanager
def _without_unused() -> Generator[None, None, None]:
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name, module in list(sys.modules.items()):
            if isinstance(module, _AbsentModule):
                del sys.modules[name]


def recognizers() -> Any:
    """The module ``presidio_analyzer.predefined_recognizers``. Imports it on the first call (0.4 s)."""
    name = "presidio_analyzer.predefined_recognizers"
    if name in sys.modules:
        return sys.modules[name]
    if any(unused in sys.modules for unused in _UNUSED):
        return importlib.import_module(name)
    try:
        with _without_unused():
            return importlib.import_module(name)
    except (ImportError, AttributeError, TypeError):
        for loaded in [module for module in sys.modules if module.partition(".")[0] == "presidio_analyzer"]:
            del sys.modules[loaded]
        return importlib.import_module(name)


__all__ = ["recognizers"]
