"""A report as one HTML file that loads nothing and runs nothing: everything that was found is text in it."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from a2a_node.ops.findings import Finding, Place
from a2a_node.ops.reporter.report import Report, worst_first

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1c2330;background:#fff}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.4rem .6rem}
tr{border-bottom:1px solid #d9dee7}code{overflow-wrap:anywhere}
.critical,.high{color:#a3122a;font-weight:600}.medium{color:#8a5300;font-weight:600}.low,.info{color:#3d4b60}
@media(prefers-color-scheme:dark){body{color:#e4e8ef;background:#14181f}tr{border-color:#323b49}
.critical,.high{color:#ff8494}.medium{color:#ffc266}.low,.info{color:#aeb9c9}}
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(report: Report) -> str:
    """The page of a report."""
    title = escape(report.title)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n"
        f"<p>{_verdict(report)} Made at {escape(report.made_at.isoformat(timespec='seconds'))}.</p>\n"
        f"{_table(('severity', 'count'), _counts(report))}\n<h2>Findings</h2>\n"
        f"{_table(('severity', 'look', 'rule', 'place', 'what'), _findings(report))}\n"
        f"<h2>Not looked at</h2>\n{_table(('look', 'what', 'why'), _skipped(report))}\n</body></html>\n"
    )


def _verdict(report: Report) -> str:
    if report.missing:
        return f"<strong>Not complete</strong>: {escape(', '.join(report.missing))} gave nothing."
    return "<strong>Passed.</strong>" if report.passed else "<strong>Not passed.</strong>"


def _counts(report: Report) -> Iterable[tuple[str, ...]]:
    return ((_severity(severity), str(count)) for severity, count in report.counts.items())


def _findings(report: Report) -> Iterable[tuple[str, ...]]:
    for look, found in worst_first(report):
        yield (_severity(found.severity), escape(look), _code(found.rule), _code(_told(found.place)), _what(found))
    left_out = sum(scan.left_out for scan in report.scans.values())
    if left_out:
        yield ("", "", "", "", f"{left_out:,} more are counted and not shown")


def _skipped(report: Report) -> Iterable[tuple[str, ...]]:
    for look, scan in report.scans.items():
        for each in scan.skipped:
            yield (escape(look), _code(each.path), escape(each.why))


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table of cells that are HTML already; words where there are no rows."""
    body = "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    head = "".join(f"<th>{head}</th>" for head in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if body else "<p>Nothing.</p>"


def _severity(severity: str) -> str:
    return f'<span class="{escape(severity)}">{escape(severity)}</span>'


def _what(found: Finding) -> str:
    return escape(found.message)


def _told(place: Place) -> str:
    path = place.path if place.kind == "file" else f"{place.kind} {place.path}"
    return f"{path}:{place.line}" if place.line else path


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"
