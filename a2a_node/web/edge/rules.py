"""The rules of request inspection, as a file has them: what a rule applies to, and what it keeps out of that.

    [[rule]]
    name = "no-scripts"                                       # stands in the answer, the audit and the metric
    about = "nothing here is written in PHP"                  # tells the client why
    methods = ["GET"]                                         # applies to these alone; absent means all
    paths = ["/api/v1/*"]                                     # the same; `*` at the end stands for anything
    path_contains = [".php"]                                  # of the decoded path in lower case, which ends with `/`
    query_contains = ["<script"]                              # of the query as it is sent, in lower case
    max_target_bytes = 2048                                   # of path and query as they are sent
    max_headers = 64
    max_body_bytes = 65536                                    # declared or really sent; of a WebSocket each message
    rate = 10.0                                               # requests a second and address
    burst = 20                                                # at once
    when = "'x-debug' in headers && path.matches('^/api/')"   # CEL

A rule that has several checks keeps out what any of them finds, and one that has none all that it applies to. CEL reads
`method`, `path`, `query`, `address`, `size` (-1 for chunks), `scheme` and `headers`, which have lower-case names and
none that holds a secret.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import cast

from starlette.datastructures import Headers
from starlette.types import Scope

from a2a_node.expressions import fence
from a2a_node.model.errors import SettingInvalid
from a2a_node.model.names import NAME
from a2a_node.web.edge.bodies import declared
from a2a_node.web.edge.rates import Rate

SETTING = "http_rules"
MOST = 64  # rules
PATIENCE = 0.005  # seconds of the processor that an expression may take, given twice at most
LINEAR = frozenset(("matches",))  # Rust's: the time it takes grows with the text alone
SECRET = frozenset(("authorization", "cookie", "x-api-key", "sec-websocket-protocol", "a2a-call-token"))
NAMES = frozenset(("method", "path", "query", "address", "size", "scheme", "headers"))
Check = Callable[["Seen"], bool]


@dataclass(slots=True)
class Seen:
    """What a rule sees of a request."""

    method: str
    path: str
    query: str = ""
    target_bytes: int = 0
    header_count: int = 0
    address: str = ""
    size: int = 0
    scheme: str = "http"
    headers_of: Callable[[], Mapping[str, str]] = dict
    lowered: str = field(init=False)

    def __post_init__(self) -> None:
        self.lowered = f"{self.path.lower()}/"

    @classmethod
    def of(cls, scope: Scope) -> Seen:
        """A request as it comes in."""
        query, client = scope["query_string"], scope.get("client")
        return cls(
            scope.get("method", "GET"),
            scope["path"],
            query.decode("latin-1"),
            len(scope["raw_path"]) + len(query),
            len(scope["headers"]),
            client[0] if client else "",
            declared(scope),
            scope["scheme"],
            lambda: {name: text for name, text in Headers(scope=scope).items() if name not in SECRET},
        )

    def value(self, name: str) -> object:
        """What an expression reads."""
        return self.headers_of() if name == "headers" else getattr(self, name)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; `findings` are its checks but for those of rate and of bodies."""

    name: str
    about: str
    methods: frozenset[str] = frozenset()
    paths: tuple[str, ...] = ()
    findings: tuple[Check, ...] = ()
    rate: Rate | None = None
    body: int | None = None

    def applies(self, seen: Seen) -> bool:
        """Whether the request is one of those that it is about."""
        return (not self.methods or seen.method in self.methods) and (
            not self.paths or any(_fits(seen.path, path) for path in self.paths)
        )

    def finds(self, seen: Seen) -> bool:
        """Whether the request is to be kept out for what it is."""
        if self.findings:
            return any(finding(seen) for finding in self.findings)
        return self.rate is None and self.body is None


@dataclass(frozen=True, slots=True)
class Expression:
    """A check in CEL. One that fails, or takes too long, keeps the request out: it was tried when it was read."""

    text: str

    def __call__(self, seen: Seen) -> bool:
        """What it says of a request."""
        try:
            return fence.tried(fence.program(self.text), seen.value, PATIENCE) is not False
        except Exception:  # noqa: BLE001 - whatever goes wrong in an expression of a user
            return True

    def fault(self) -> str:
        """What is wrong with it, in words; empty when nothing is."""
        if fault := fence.fault(self.text, NAMES, LINEAR):
            return fault
        try:
            said = fence.tried(fence.program(self.text), Seen("GET", "/").value, PATIENCE)
        except Exception as error:  # noqa: BLE001 - as above
            return f"fails for a request without headers: {str(error)[:200]}"
        return "" if isinstance(said, bool) else f"gives {said!r:.80}, which is neither true nor false"


def read_rules(file: Path | None) -> Sequence[Rule]:
    """The rules of a file, or the node's own; SettingInvalid names the rule that is none."""
    try:
        text = file.read_text(encoding="utf-8") if file else (files(__package__) / "rules.toml").read_text("utf-8")
        found = tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise SettingInvalid(SETTING, str(error)[:300]) from None
    raw = found.pop("rule", [])
    if found or not isinstance(raw, list) or not all(isinstance(one, dict) for one in raw):
        raise SettingInvalid(SETTING, "has rules, each as [[rule]], and nothing else")
    if len(raw) > MOST:
        raise SettingInvalid(SETTING, f"has {len(raw)} rules, the limit is {MOST}")
    rules = [_rule(fields, place) for place, fields in enumerate(raw, 1)]
    if len({rule.name for rule in rules}) < len(rules):
        raise SettingInvalid(SETTING, "has two rules of one name")
    return rules


def _rule(fields: Mapping[str, object], place: int) -> Rule:
    name = fields.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise SettingInvalid(SETTING, f"rule {place} needs a name of lower-case letters, digits, '-', '_' or '.'")
    taken = _Fields(name, fields)
    rule = Rule(
        name,
        taken.text("about") or "it is not let in here",
        frozenset(taken.texts("methods")),
        tuple(taken.texts("paths")),
        tuple(_findings(taken)),
        _rate(taken),
        taken.number("max_body_bytes"),
    )
    taken.done()
    return rule


def _findings(taken: _Fields) -> Sequence[Check]:
    in_path, in_query = taken.texts("path_contains"), taken.texts("query_contains")
    target, headers, expression = taken.number("max_target_bytes"), taken.number("max_headers"), taken.text("when")
    found: list[Check] = []
    if in_path:
        found.append(lambda seen: any(part in seen.lowered for part in in_path))
    if in_query:
        found.append(lambda seen: any(part in seen.query.lower() for part in in_query))
    if target is not None:
        found.append(lambda seen: seen.target_bytes > target)
    if headers is not None:
        found.append(lambda seen: seen.header_count > headers)
    if expression:
        found.append(_expression(taken, expression))
    return found


def _expression(taken: _Fields, text: str) -> Expression:
    fence.quieten()
    expression = Expression(text)
    if fault := expression.fault():
        raise taken.wrong("when", fault)
    return expression


def _rate(taken: _Fields) -> Rate | None:
    rate, burst = taken.number("rate", whole=False), taken.number("burst")
    if rate is None and burst is None:
        return None
    if rate is None or burst is None:
        raise taken.wrong("rate", "needs `rate`, requests a second, and `burst`, requests at once")
    return Rate(rate, burst)


class _Fields:
    """The fields of one rule, each taken once; SettingInvalid for what is none."""

    def __init__(self, name: str, fields: Mapping[str, object]) -> None:
        self._name, self._left = name, {**fields, "name": None}
        del self._left["name"]

    def wrong(self, field: str, problem: str) -> SettingInvalid:
        """What is wrong with a field."""
        return SettingInvalid(SETTING, f"rule {self._name!r}: {field} {problem}")

    def text(self, field: str) -> str:
        """A text, empty when absent."""
        value = self._left.pop(field, "")
        if not isinstance(value, str):
            raise self.wrong(field, "must be a text")
        return value

    def texts(self, field: str) -> Sequence[str]:
        """Texts, none when absent."""
        value = self._left.pop(field, [])
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            raise self.wrong(field, "must be a list of texts")
        return cast("list[str]", value)

    def number(self, field: str, *, whole: bool = True) -> int | None:
        """A number above 0, None when absent."""
        value = self._left.pop(field, None)
        kinds = (int,) if whole else (int, float)
        if value is not None and (isinstance(value, bool) or not isinstance(value, kinds) or value <= 0):
            raise self.wrong(field, f"must be a {'whole ' if whole else ''}number above 0")
        return cast("int | None", value)

    def done(self) -> None:
        """Say what nobody has taken."""
        if self._left:
            raise self.wrong(min(self._left), "is no field of a rule")


def _fits(path: str, wanted: str) -> bool:
    return path.startswith(wanted[:-1]) if wanted.endswith("*") else path == wanted
