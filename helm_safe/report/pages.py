"""A run as a page: HTML in one self-contained file, Markdown, or JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from helm_safe.core.printable import printable
from helm_safe.model.review import Review, forward, summary
from helm_safe.report.charts import latency_chart, shares_chart, success_chart

TEMPLATES = Path(__file__).resolve().parent / "templates"
FORMATS = ("html", "md", "json")


def page(told: Review, output: str) -> str:
    """The report in one of FORMATS."""
    if output == "json":
        return json.dumps(document(told), indent=2, ensure_ascii=False) + "\n"
    if output == "html":
        shell = _environment().get_template("report.html.j2")
        return shell.render(title=told.title, body=Markup(body(told)), nonce="", ended=True)  # noqa: S704 - escaped there
    return _rendered(told, "report.md.j2")


def body(told: Review) -> str:
    """What the page holds, as HTML."""
    return _rendered(told, "review.html.j2")


def live_page(inner: str, nonce: str, title: str, problem: str, *, ended: bool) -> str:
    """The same page, which asks for itself again every two seconds. inner: by `body`, "" before the first run.

    problem: why it is not of now.
    """
    words = [f'<p class="bad" role="status">{escape(printable(problem))}</p>'] if problem else []
    words.append(
        inner or f"<h1>{escape(title)}</h1><p>No run of this release is known yet; this page waits for one.</p>"
    )
    shell = _environment().get_template("report.html.j2")
    made = Markup("\n".join(words))  # noqa: S704 - every part of it is escaped
    return shell.render(title=title, body=made, nonce=nonce, ended=ended)


def _rendered(told: Review, template: str) -> str:
    return (
        _environment()
        .get_template(template)
        .render(
            told=told,
            summary=summary(told),
            forward=forward(told),
            span=f"{told.seconds:.0f} s",
            shares=Markup(shares_chart(told.shares, told.seconds)),  # noqa: S704 - every word in it is escaped there
            success=Markup(success_chart(told.looks, told.seconds)),  # noqa: S704
            latency=Markup(latency_chart(told.looks, told.seconds)),  # noqa: S704
        )
    )


def document(told: Review) -> dict[str, Any]:
    """The published shape (schema report)."""
    plan = told.plan
    return {
        "run": told.run,
        "namespace": told.release.namespace,
        "release": told.release.name,
        "current": plan.current,
        "target": plan.target,
        "strategy": plan.strategy,
        "state": told.state,
        "reason": told.reason,
        "summary": summary(told),
        "startedBy": told.by,
        "startedAt": told.started.isoformat(),
        "seconds": told.seconds,
        "timeline": [_plain(asdict(row)) for row in told.rows],
        "shares": [list(point) for point in told.shares],
        "gates": [_plain(asdict(look)) for look in told.looks],
        "lost": list(plan.lost),
        "findings": list(told.findings),
        "suspicions": list(told.suspicions),
        "evidence": told.evidence,
        "forward": forward(told),
    }


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(("html.j2",)),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    made.filters["md"] = _markdown
    return made


def _markdown(text: object) -> str:
    """Text that is no markup, in one cell of a table."""
    plain = printable(text)
    for mark in "\\`*_{}[]<>|":
        plain = plain.replace(mark, f"\\{mark}")
    return plain


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in row.items()}
