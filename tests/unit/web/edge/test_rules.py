"""Rules of request inspection: what they keep out, and what is no rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from a2a_node.model.errors import SettingInvalid
from a2a_node.web.edge.rules import MOST, Rule, Seen, read_rules


def rules_of(folder: Path, text: str) -> list[Rule]:
    """Those of a file."""
    file = folder / "rules.toml"
    file.write_text(text, encoding="utf-8")
    return list(read_rules(file))


def found(rules: list[Rule], seen: Seen) -> list[str]:
    """The names of the rules that keep it out."""
    return [rule.name for rule in rules if rule.applies(seen) and rule.finds(seen)]


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("/api/../x", "path-traversal"),
        ("/api/..", "path-traversal"),
        ("/api/%2E%2e/x", "path-traversal"),
        ("/a/..\\b", "path-traversal"),
        ("/a\r\nb", "control-characters"),
        ("/a\0", "control-characters"),
    ],
)
def test_the_nodes_own_rules_keep_bad_paths_out(path: str, rule: str) -> None:
    """By the decoded path, whatever its case."""
    assert found(list(read_rules(None)), Seen("GET", path)) == [rule]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/mcp",
        "/api/v1/agents/a..b",
        "/api/v1/runs/...",
        "/api/v1/values/n/a%2fb\\c",
        "/.well-known/x",
        "/api/v1/é",
    ],
)
def test_they_let_good_ones_in(path: str) -> None:
    """Points are no harm where they do not stand alone."""
    assert found(list(read_rules(None)), Seen("GET", path)) == []


def test_a_rule_without_checks_keeps_out_all_that_it_applies_to(tmp_path: Path) -> None:
    """By method and path together."""
    (rule,) = rules_of(tmp_path, '[[rule]]\nname = "a"\nmethods = ["PUT"]\npaths = ["/x", "/y/*"]')
    asked = [("PUT", "/x"), ("PUT", "/y/z"), ("GET", "/x"), ("PUT", "/x/z"), ("PUT", "/y")]
    assert [rule.applies(Seen(*one)) and rule.finds(Seen(*one)) for one in asked] == [True, True, False, False, False]


def test_every_check_finds_what_it_looks_for(tmp_path: Path) -> None:
    """Any of them is enough."""
    contained = 'path_contains = [".php"]\nquery_contains = ["<script"]'
    text = f'[[rule]]\nname = "a"\n{contained}\nmax_target_bytes = 9\nmax_headers = 2'
    (rule,) = rules_of(tmp_path, text)
    assert rule.finds(Seen("GET", "/X.PHP"))
    assert rule.finds(Seen("GET", "/", "q=<SCRIPT>"))
    assert rule.finds(Seen("GET", "/", target_bytes=10))
    assert rule.finds(Seen("GET", "/", header_count=3))
    assert not rule.finds(Seen("GET", "/", "q", target_bytes=9, header_count=2))


@pytest.mark.parametrize(
    ("when", "kept_out"),
    [
        ("path.startsWith('/api') && size > 100", True),
        ("'x-debug' in headers", True),
        ("'x-other' in headers", False),
        ("path.matches('(?i)^/API/')", True),
        ("method in ['PUT', 'DELETE']", False),
        ("address == '192.0.2.7' && scheme == 'http' && query == 'q'", True),
    ],
)
def test_an_expression_reads_the_request(tmp_path: Path, when: str, *, kept_out: bool) -> None:
    """In CEL, as everywhere."""
    (rule,) = rules_of(tmp_path, f'[[rule]]\nname = "a"\nwhen = "{when}"')
    seen = Seen("GET", "/api/v1", "q", address="192.0.2.7", size=101, headers_of=lambda: {"x-debug": "1"})
    assert rule.finds(seen) is kept_out


def test_an_expression_that_fails_keeps_out(tmp_path: Path) -> None:
    """It was tried when it was read, so that only what nobody foresaw makes it fail."""
    (rule,) = rules_of(tmp_path, '[[rule]]\nname = "a"\nwhen = "size > 5 ? int(query) > 3 : false"')
    assert rule.finds(Seen("GET", "/", "no number", size=9))
    assert not rule.finds(Seen("GET", "/", "3", size=9))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[rule]", "line 1"),
        ("x = 1", "nothing else"),
        ("rule = 7", "nothing else"),
        ("[[rule]]\nmethods = []", "rule 1 needs a name"),
        ('[[rule]]\nname = "A B"', "rule 1 needs a name"),
        ('[[rule]]\nname = "a"\n[[rule]]\nname = "a"', "two rules of one name"),
        ('[[rule]]\nname = "a"\npath_contain = ["x"]', "rule 'a': path_contain is no field of a rule"),
        ('[[rule]]\nname = "a"\nmethods = "GET"', "rule 'a': methods must be a list of texts"),
        ('[[rule]]\nname = "a"\nabout = 7', "rule 'a': about must be a text"),
        ('[[rule]]\nname = "a"\nmax_headers = 0', "rule 'a': max_headers must be a whole number above 0"),
        ('[[rule]]\nname = "a"\nmax_headers = true', "rule 'a': max_headers must be a whole number above 0"),
        ('[[rule]]\nname = "a"\nrate = 5', "rule 'a': rate needs"),
        ('[[rule]]\nname = "a"\nwhen = "path =="', "rule 'a': when is no CEL expression"),
        ('[[rule]]\nname = "a"\nwhen = "size"', "rule 'a': when gives 0"),
        ('[[rule]]\nname = "a"\nwhen = "secret == 1"', "rule 'a': when reads 'secret'"),
        ('[[rule]]\nname = "a"\nwhen = "headers.x == \'1\'"', "rule 'a': when fails for a request without headers"),
        ("".join(f'[[rule]]\nname = "a{number}"\n' for number in range(MOST + 1)), f"the limit is {MOST}"),
    ],
)
def test_what_is_no_rule_is_named(tmp_path: Path, text: str, problem: str) -> None:
    """With its rule and its field, and the node does not start."""
    with pytest.raises(SettingInvalid, match="http_rules") as refused:
        rules_of(tmp_path, text)
    assert problem in str(refused.value)


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    """The same."""
    with pytest.raises(SettingInvalid, match="http_rules"):
        read_rules(tmp_path / "nothing.toml")
