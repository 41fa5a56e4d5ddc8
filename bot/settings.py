"""The operator's settings, from the environment or `.env`. Secrets are never printed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bot.caps import Caps
from bot.model import Problem

# https://git-scm.com/docs/git-check-ref-format, and a leading dash, which would be an option on a command line.
_NOT_IN_REFS = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|//|@\{|^[-/]|(^|/)\.|\.lock/|[^\x00-\x7f]")


# A line of .gitignore about one name: bot/changes/left_out.py.
_LEFT_OUT_LINE = re.compile(r"!?(?![!#])[^/?\[\]\\,\s\x00-\x1f\x7f]{1,100}/?")


class Settings(BaseSettings):
    """One field per setting. Its variable is `validation_alias`, else AMPBOT_ and the field's name in capitals."""

    model_config = SettingsConfigDict(
        env_prefix="AMPBOT_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    # GitHub
    github_app_id: int = Field(description="The App's id, from its settings page")
    github_private_key: SecretStr | None = Field(None, description="The App's private key (PEM)")
    github_private_key_file: Path | None = Field(None, validate_default=True, description="Or the file that holds it")
    webhook_secret: SecretStr = Field(min_length=8, description="The App's webhook secret")
    webhook_secret_previous: SecretStr | None = Field(None, description="The previous one, while it is being rotated")
    github_api_url: str = Field("https://api.github.com", description="https://HOST/api/v3 on Enterprise Server")
    github_url: str = Field("https://github.com", description="https://HOST on Enterprise Server")
    reviewers: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Users or team slugs, comma-separated: requesting a review from one triggers an ampbot review"
    )

    branch_prefix: str = Field("amp/", max_length=100, description="What the names of ampbot's branches begin with")

    # E2B and Amp
    e2b_api_key: SecretStr = Field(validation_alias="E2B_API_KEY", description="The E2B key")
    e2b_api_url: str | None = Field(None, description="Address of another E2B control API")
    e2b_sandbox_url: str | None = Field(None, description="Address of another E2B sandbox service")
    e2b_template: str = Field("amp", description="The sandbox template; pin your own as name:tag")
    amp_api_key: SecretStr = Field(validation_alias="AMP_API_KEY", min_length=1, description="The Amp key")
    amp_url: str = Field("https://ampcode.com", description="Where links to Amp threads lead")

    # This service
    # Not in repr(): a PostgreSQL address may hold a password.
    database_url: str = Field("sqlite:///ampbot.sqlite3", repr=False, description="SQLite file or PostgreSQL address")
    host: str = Field("127.0.0.1", description="The address to listen on")
    port: int = Field(8080, ge=0, le=65535, description="The port to listen on")
    instance: str = Field("ampbot", pattern=r"^[A-Za-z0-9._-]{1,64}$", description="Marks our sandboxes in E2B")
    log_format: Literal["console", "json"] = Field("console", description="Format of log lines: console or json")

    sweep_minutes: float = Field(5, ge=0, description="Minutes between two sweeps for missed requests; 0: never")
    keep_days: int = Field(30, ge=1, le=90, description="Days for which texts, transcripts and change sets are kept")

    hold_file: Path = Field(
        Path("ampbot.hold"), description="While this file exists, no new run starts, as after `ampbot hold`"
    )

    # Limits
    run_minutes: float = Field(50, gt=0, le=24 * 60, description="Longest time an agent may work, in minutes")
    run_tokens: int = Field(
        2_000_000, ge=1, description="Most tokens that one run may read and write, those read from a cache aside"
    )
    run_turns: int = Field(300, ge=1, description="Most turns of Amp in one run: its messages, without sub-agents'")
    at_cap: Literal["draft", "keep"] = Field(
        "draft", description="What Amp had changed when it reached a cap: publish it as a draft, or keep it only"
    )
    idle_minutes: float = Field(15, gt=0, description="Longest time an agent may print nothing, in minutes")
    daily_runs_per_person: int = Field(20, ge=1, description="Most runs that one person starts in 24 hours")
    daily_runs_per_repository: int = Field(100, ge=1, description="Most runs in one repository in 24 hours")
    daily_runs_per_installation: int = Field(300, ge=1, description="Most runs of one installation in 24 hours")
    max_runs: int = Field(20, ge=1, description="Most runs at once, over all workers")
    max_runs_per_installation: int = Field(5, ge=1, description="Most runs at once for one installation")
    max_files: int = Field(3000, ge=1, description="Most files in one change")
    max_change_mb: int = Field(100, ge=1, description="Largest change, in MB of new content")
    history: int = Field(
        50, ge=1, le=1000, description="Commits of history that Amp is given; a pull request's own come in any case"
    )
    symlinks: Literal["refuse", "inside"] = Field(
        "refuse", description="Symbolic links: refuse all, or allow those that stay inside"
    )
    left_out: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="What else to leave out of changes, or not (`!`): names as in `.gitignore`, `*.log, !.vscode/`",
    )
    silent_seconds: float = Field(60, ge=1, description="Seconds of silence after which a worker is replaced")
    list_lag_seconds: float = Field(10, gt=0, description="Seconds that GitHub's lists may lag behind a write")
    progress_seconds: float = Field(15, ge=10, description="Seconds between two edits of a progress comment")

    @field_validator("reviewers", "left_out", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("left_out")
    @classmethod
    def _lines(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(value) > 200 or not all(_LEFT_OUT_LINE.fullmatch(line) for line in value):
            raise ValueError(
                "must be names, comma-separated: * for any characters, / at the end for a folder, ! before what is "
                "published all the same; no spaces, no other slash, none of ? [ ] \\"
            )
        return value

    @field_validator("branch_prefix")
    @classmethod
    def _ref(cls, value: str) -> str:
        if _NOT_IN_REFS.search(value) or value.startswith("refs/"):
            raise ValueError(
                "must begin a branch's name as git allows it: no spaces, no leading dash, dot or slash, none of "
                "~ ^ : ? * [ \\ and no .. or // or @{ or .lock/"
            )
        return value

    @field_validator("github_api_url", "github_url", "e2b_api_url", "e2b_sandbox_url", "amp_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None and not re.match(r"https?://[^/\s]", value):
            raise ValueError("must start with https:// (or http:// for a stand-in on loopback) and a host")
        return value and value.rstrip("/")

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str) -> str:
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError

        try:
            url = make_url(value)
        except ArgumentError:
            url = None
        if url is None or url.get_backend_name() not in ("sqlite", "postgresql"):
            raise ValueError("must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME")
        if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
            raise ValueError("must name a file: what is kept in memory is lost with the process")
        return value

    @field_validator("webhook_secret", "webhook_secret_previous", "e2b_api_key", "amp_api_key")
    @classmethod
    def _not_blank(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().strip():
            raise ValueError("must not be blank")
        return value

    @field_validator("github_private_key")
    @classmethod
    def _key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            _parsed_key(value, None)
        return value

    @field_validator("github_private_key_file")
    @classmethod
    def _one_key(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if "github_private_key" in info.data and (info.data["github_private_key"] is None) == (value is None):
            raise ValueError("set exactly one of AMPBOT_GITHUB_PRIVATE_KEY and AMPBOT_GITHUB_PRIVATE_KEY_FILE")
        if value is not None:
            _parsed_key(None, value)
        return value

    def private_key(self) -> RSAPrivateKey:
        """The App's key, parsed. Raises: ValueError if the file has become invalid since it was loaded."""
        return _parsed_key(self.github_private_key, self.github_private_key_file)

    @property
    def caps(self) -> Caps:
        """The operator's caps."""
        return Caps(
            minutes=self.run_minutes,
            tokens=self.run_tokens,
            turns=self.run_turns,
            person=self.daily_runs_per_person,
            repository=self.daily_runs_per_repository,
            installation=self.daily_runs_per_installation,
        )

    @property
    def is_postgres(self) -> bool:
        return self.database_url.startswith("postgresql")

    def thread_url(self, thread: str | None) -> str | None:
        """The address of an Amp thread; None without one."""
        return f"{self.amp_url}/threads/{thread}" if thread else None

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        both = (self.webhook_secret, self.webhook_secret_previous)
        return tuple(secret.get_secret_value() for secret in both if secret is not None)


def _parsed_key(given: SecretStr | None, path: Path | None) -> RSAPrivateKey:
    if given is not None:
        # In a one-line variable, the PEM's line ends are written as \n.
        pem = given.get_secret_value().replace("\\n", "\n").encode()
    else:
        try:
            pem = (path or Path()).read_bytes()
        except OSError as error:
            raise ValueError(f"the private key file {path} cannot be read: {error.strerror}") from None
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("this is not an unencrypted RSA key in PEM form, as GitHub hands out")
    return key


def environment_name(field: str) -> str:
    """The environment variable that sets `field`."""
    info = Settings.model_fields[field]
    return str(info.validation_alias or f"AMPBOT_{field.upper()}")


def load(**overrides: Any) -> Settings | tuple[Problem, ...]:
    """The settings, or all problems with them. A problem names the variable, never its value."""
    try:
        return Settings(**overrides)
    except (OSError, UnicodeDecodeError) as error:
        return (Problem(f".env cannot be read: {error}."),)
    except ValidationError as error:
        return tuple(_problem(dict(item)) for item in json.loads(error.json(include_url=False, include_input=False)))


def _problem(item: dict[str, Any]) -> Problem:
    message = str(item["msg"]).removeprefix("Value error, ")
    by_alias = {environment_name(field): field for field in Settings.model_fields}
    named = str(item["loc"][0])
    field = by_alias.get(named, named)
    description = (Settings.model_fields[field].description or "") if field in Settings.model_fields else ""
    name = environment_name(field) if field in Settings.model_fields else named
    if item["type"] == "missing":
        return Problem(f"{name} is not set. {description}.")
    return Problem(f"{name}: {message[0].lower()}{message[1:]}. {description}.")
