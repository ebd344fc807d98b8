"""`paceline init`: a workspace for real accounts, step by step."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import typer
import yaml
from pydantic import ValidationError

from alerts.routes import Person
from connectors import registry
from service import secrets, settings
from service.workspace import Workspace, write_private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from connectors.contract import Connector

__all__ = ["Answers", "run"]

_IGNORED = (secrets.FILE, ".paceline/")
"""Secrets and state stay on this machine."""


@dataclass(frozen=True, slots=True)
class Field:
    """One thing to ask for. where: in which place of which console a person finds it."""

    name: str
    where: str
    optional: bool = False


GUIDE: Mapping[str, tuple[str, tuple[Field, ...]]] = {
    "google_ads": (
        "Google Ads is read as a user with read-only access, through a Google Cloud project with its API on.",
        (
            Field(
                "client_id", "Google Cloud console → APIs & Services → Credentials → OAuth client (Desktop)"
            ),
            Field("client_secret", "beside the client id, in the same place"),
            Field(
                "refresh_token",
                "sign in once as the read-only user with the scope https://www.googleapis.com/auth/adwords "
                "(docs/connect-real-accounts.md has the command)",
            ),
            Field(
                "login_customer_ids", "the manager account's number, top right in Google Ads", optional=True
            ),
        ),
    ),
    "meta_ads": (
        "Meta Ads is read as a system user with the permission ads_read and your ad accounts assigned to it.",
        (
            Field("app_id", "developers.facebook.com → My Apps → your app → App settings → Basic"),
            Field("app_secret", "beside the app id, in the same place"),
            Field(
                "access_token",
                "Business settings → Users → System users → Generate token, permission ads_read",
            ),
        ),
    ),
    "ga4": (
        "Google Analytics is read as a Viewer of the properties, through a project with its Data API on.",
        (
            Field(
                "properties",
                "Google Analytics → Admin → Property details: the number, not the G-… of the tag",
            ),
            Field("client_id", "the same OAuth client as for Google Ads, or another (Desktop)"),
            Field("client_secret", "beside the client id, in the same place"),
            Field(
                "refresh_token",
                "sign in once as the viewer with the scope "
                "https://www.googleapis.com/auth/analytics.readonly (docs/connect-real-accounts.md says how)",
            ),
        ),
    ),
}
"""Where the built-in sources' credentials are found; other sources are asked for what their settings need."""


OWNERS = ("marketing", "performance-team")
"""Who owns what Paceline ships: rules and dashboards the first, metrics and views the second."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What was said on the command line; the rest is asked.

    owner: the mail address of whoever answers for what Paceline ships; "" for nobody yet.
    """

    sources: tuple[str, ...]
    name: str
    currency: str
    timezone: str
    owner: str = ""


def run(folder: Path, answers: Answers, *, interactive: bool) -> None:
    """Write paceline.yaml, secrets.toml and .gitignore. What is there already stays, and is added to."""
    workspace = Workspace(folder.resolve())
    if workspace.settings_file.exists():
        typer.echo(
            f"{workspace.settings_file} is there already; edit it, or choose another folder.", err=True
        )
        raise typer.Exit(1)
    there, problems = secrets.read(workspace.folder)
    if problems:
        for problem in problems:
            typer.echo(str(problem), err=True)
        raise typer.Exit(1)
    known = list(registry.connectors())
    if interactive:
        answers = _ask_general(answers, known)
    unknown = [name for name in answers.sources if name not in known]
    if unknown or not answers.sources:
        said = f"no source called {', '.join(unknown)}" if unknown else "name at least one source: --source"
        typer.echo(f"{said} (there are: {', '.join(known)})", err=True)
        raise typer.Exit(2)
    sections: dict[str, dict[str, Any]] = {}
    held: dict[str, dict[str, str]] = {}
    for name in answers.sources:
        sections[name], held[name] = {}, {}
        if interactive:
            sections[name], held[name] = _ask_source(registry.load(name), has_secrets=name in there)
    _write(workspace, answers, sections, held)
    _tell(workspace, interactive=interactive)


def _ask_general(answers: Answers, known: list[str]) -> Answers:
    sources = answers.sources
    if not sources:
        typer.echo(f"Sources: {', '.join(known)}")
        said = typer.prompt("Which ones (comma-separated)", default=", ".join(n for n in known if n in GUIDE))
        sources = tuple(filter(None, (name.strip() for name in said.split(","))))
    return replace(
        answers,
        sources=sources,
        name=answers.name or typer.prompt("Your team's name", default="Our team"),
        currency=answers.currency or typer.prompt("Currency of reports (ISO code)", default="EUR").upper(),
        timezone=answers.timezone or typer.prompt("Your time zone", default="Europe/Berlin"),
        owner=answers.owner or _ask_owner(),
    )


def _ask_owner() -> str:
    """The address of whoever answers for the shipped rules, dashboards and metrics; "" for nobody yet."""
    typer.echo("Every rule, dashboard and metric has an owner, who hears when it needs somebody.")
    while True:
        said = str(
            typer.prompt("Mail address of who that is (or nothing)", default="", show_default=False)
        ).strip()
        try:
            Person(name=OWNERS[0], email=said or None)
        except ValidationError:
            typer.echo(f"  {said} is no mail address.")
        else:
            return said


def _ask_source(connector: type[Connector], *, has_secrets: bool) -> tuple[dict[str, Any], dict[str, str]]:
    """A source's plain settings and its secrets; the latter are not asked for where they stand already."""
    hidden = secrets.fields(connector.Settings)
    story, fields = GUIDE.get(connector.name, ("", ()))
    if not fields:
        fields = tuple(
            Field(name, "see the connector's documentation")
            for name, field in connector.Settings.model_fields.items()
            if field.is_required()
        )
    typer.echo(f"\n{connector.title}. {story}")
    if has_secrets:
        typer.echo(f"  Its secrets stay as they stand in {secrets.FILE} under [{connector.name}].")
        fields = tuple(field for field in fields if field.name not in hidden)
    plain: dict[str, Any] = {}
    private: dict[str, str] = {}
    for field in fields:
        typer.echo(f"  {field.name}: {field.where}")
        said = typer.prompt(
            f"  {field.name}{' (or nothing)' if field.optional else ''}",
            hide_input=field.name in hidden,
            default="" if field.optional else None,
            show_default=False,
        )
        if field.name in hidden:
            private[field.name] = said
        elif said:
            plain[field.name] = [said] if field.name.endswith("_ids") else said
    return plain, private


def _write(
    workspace: Workspace,
    answers: Answers,
    sections: dict[str, dict[str, Any]],
    held: dict[str, dict[str, str]],
) -> None:
    workspace.folder.mkdir(parents=True, exist_ok=True)
    general = {
        "name": answers.name or "Our team",
        "currency": answers.currency or "EUR",
        "timezone": answers.timezone or "UTC",
        "polling": {"every": "5m"},
        "sources": {name: section or None for name, section in sections.items()},
    }
    if answers.owner:
        general["alerts"] = {"people": [{"name": name, "email": answers.owner} for name in OWNERS]}
    text = "# What Paceline polls. Secrets are not in here: see .streamlit/secrets.toml.\n"
    text += yaml.safe_dump(general, sort_keys=False, allow_unicode=True).replace(": null\n", ":\n")
    workspace.settings_file.write_text(text, encoding="utf-8")
    ignore = workspace.folder / ".gitignore"
    _append(ignore, _IGNORED)
    path = workspace.folder / secrets.FILE
    new = [_section(source, values) for source, values in held.items() if values]
    if new:
        before = [path.read_text(encoding="utf-8").rstrip("\n") + "\n"] if path.exists() else []
        write_private(path, "\n".join(before + new))


def _append(path: Path, lines: tuple[str, ...]) -> None:
    """Add the lines that a file does not have yet."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    missing = [line for line in lines if line not in before.splitlines()]
    if missing:
        gap = "" if before.endswith("\n") or not before else "\n"
        path.write_text(before + gap + "".join(f"{line}\n" for line in missing), encoding="utf-8")


def _section(source: str, values: Mapping[str, str]) -> str:
    """A section of secrets.toml; its strings are escaped as TOML's basic strings want it."""
    lines = []
    for name, value in values.items():
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'{name} = "{escaped}"')
    return f"[{source}]\n" + "\n".join(lines) + "\n"


def _tell(workspace: Workspace, *, interactive: bool) -> None:
    typer.echo(f"\nWrote {workspace.settings_file}.")
    try:
        settings.load(workspace.folder)
    except settings.SettingsError as error:
        typer.echo("Still to do:" if not interactive else "Not right yet:")
        for problem in error.problems:
            typer.echo(f"  {problem}")
    here = os.path.relpath(workspace.folder)
    typer.echo(f"Next: paceline check -w {here}, then paceline up -w {here}")
