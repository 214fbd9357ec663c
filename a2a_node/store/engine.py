"""SQLAlchemy's async engine without its mapper, which nobody here uses: 6 MB of a node's memory, a part of its start.

The package that holds the engine imports the mapper as well. So the package itself waits: the engine is imported from
within it, and whoever asks for anything else of it, a hosted agent for example, finds it whole, with the same classes.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec


def _postpone(name: str) -> None:
    """Have a package's own code run when something of it is asked for; its modules can be imported before."""
    spec = None if name in sys.modules else find_spec(name)
    if spec is None or spec.loader is None:
        return
    package, loader = module_from_spec(spec), spec.loader

    def whole(attribute: str) -> object:
        module = f"{name}.{attribute}"
        if module in sys.modules or find_spec(module) is not None:  # the package's modules ask for each other
            return import_module(module)
        del package.__dict__["__getattr__"]
        loader.exec_module(package)
        return getattr(package, attribute)

    package.__dict__["__getattr__"] = whole
    sys.modules[name] = package


_postpone("sqlalchemy.ext.asyncio")

from sqlalchemy.ext.asyncio.engine import AsyncConnection, AsyncEngine, create_async_engine  # noqa: E402 - see above

__all__ = ["AsyncConnection", "AsyncEngine", "create_async_engine"]
