"""What libraries bring and no node uses waits until somebody asks for it: 9 MB of a node's memory.

A package that offers all it has imports all it has. Here the packages themselves wait: what a node uses is imported
from their modules, and whoever asks for anything else of them, a hosted agent for example, finds them whole, with the
same classes. Only the process of a node does so, by importing this module before the others; everywhere else, in
programs that use the client for example, libraries are as their makers have made them.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec, module_from_spec

WAITING = (
    "sqlalchemy.ext.asyncio",  # its mapper
    "redis",  # clusters, sentinels, notifications, of both kinds
    "redis.asyncio",
    "jwt",  # its client for keys, and urllib's with it
    "yaml",  # until somebody asks about a template
    "jsonschema_rs",
    "uvicorn",  # its command, reloader and workers
    "prometheus_client",  # its HTTP servers and the client for its gateway
    "a2a_node.client",  # our own, of which the links to other nodes are made: all that `MeshClient` can ask
)
# what modules of these packages ask their package for while a node runs
KNOWN: Mapping[str, Callable[[], object]] = {
    "uvicorn.Config": lambda: import_module("uvicorn.config").Config,
    "redis.__version__": lambda: version("redis"),  # by each look at the figures of its pool
}

_loading = threading.RLock()  # one for all: packages ask for each other


def postpone(name: str) -> None:
    """Have a package's own code run when something of it is asked for; its modules can be imported before.

    Whoever asks in another thread while it runs waits for its end, and does not find half a package.
    """
    spec = None if name in sys.modules else find_spec(name)
    if spec is None or spec.loader is None:
        return
    package, loader = module_from_spec(spec), spec.loader

    def whole(attribute: str) -> object:
        full = f"{name}.{attribute}"
        if full in KNOWN:
            return package.__dict__.setdefault(attribute, KNOWN[full]())
        if full in sys.modules or find_spec(full) is not None:  # the package's modules ask for each other
            return import_module(full)
        with _loading:
            if name in running:  # its own code asks for what it has not made
                raise AttributeError(f"module {name!r} has no attribute {attribute!r}")
            if package.__dict__.get("__getattr__") is whole:
                running.add(name)
                try:
                    loader.exec_module(package)
                finally:
                    running.discard(name)
                if package.__dict__.get("__getattr__") is whole:
                    del package.__dict__["__getattr__"]
        return getattr(package, attribute)

    running: set[str] = set()
    package.__dict__["__getattr__"] = whole
    sys.modules[name] = package
    above, _, own = name.rpartition(".")
    if above:
        setattr(sys.modules[above], own, package)


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Have packages that are not there yet count as not installed, for libraries that do without them then."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None says so to `import`
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


for waiting in WAITING:
    postpone(waiting)
with without("opentelemetry.sdk.metrics"):  # redis-py asks whether it is there, and makes nothing of the answer
    import_module("redis.observability.providers")
with without("rich"):  # for tracebacks in colours, which a node's log has none of
    import_module("structlog")
