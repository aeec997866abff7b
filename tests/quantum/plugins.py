"""Finding the plug-ins of a folder, so that a new file is tested without editing a test."""

import importlib
import inspect
import pkgutil
from types import ModuleType


def factories(package: ModuleType) -> dict[str, object]:
    """Every file's public factory, which has the file's name."""
    names = [module.name for module in pkgutil.iter_modules(package.__path__)]
    modules = {name: importlib.import_module(f"{package.__name__}.{name}") for name in names}
    return {name: getattr(module, name) for name, module in modules.items()}


def check_plugin(package: ModuleType, name: str) -> None:
    """A factory is exported, documented, and its signature can serve as a schema."""
    factory = factories(package)[name]
    assert getattr(package, name) is factory
    assert name in package.__all__
    assert factory.__name__ == name
    assert inspect.getdoc(factory)
    for parameter in inspect.signature(factory).parameters.values():
        assert parameter.annotation is not inspect.Parameter.empty, parameter
        assert parameter.default is not inspect.Parameter.empty, parameter
