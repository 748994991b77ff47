"""Who speaks to which API, from flag, environment and local state, in this order; and how a command ends.

`@command` gives a function the options that all commands share (`--as`, `--url`, `-o`) and a `Session`.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.exit_codes import CommandFailed, ExitCode
from cli.output import OutputFormat, say

if TYPE_CHECKING:
    from cli.client import ApiClient
    from settings import Settings

AsName = Annotated[
    str | None,
    typer.Option("--as", metavar="NAME", help="Act as this identity of tokens.json in the state directory."),
]
Url = Annotated[str | None, typer.Option("--url", metavar="URL", help="Where the API is. [env: SLUICE_URL]")]
Output = Annotated[
    OutputFormat | None, typer.Option("--output", "-o", help="table for people, json for programs.")
]

API_FILE = "api.json"
"""`sluice up` notes here where its API listens."""


@dataclass
class Given:
    """Options given before the command."""

    as_name: str | None = None
    url: str | None = None
    output: OutputFormat | None = None


@dataclass
class Session:
    """One run of one command."""

    as_name: str | None
    given_url: str | None
    output: OutputFormat
    _client: ApiClient | None = None

    @property
    def is_json(self) -> bool:
        """Whether a program reads."""
        return self.output is OutputFormat.JSON

    @functools.cached_property
    def settings(self) -> Settings:
        """The settings of this machine."""
        from pydantic import ValidationError
        from pydantic_settings import SettingsError

        from settings import Settings

        try:
            return Settings()
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            raise CommandFailed(f"the settings are not valid: {wrong}", ExitCode.USAGE) from error
        except SettingsError as error:
            raise CommandFailed(f"the settings cannot be read: {error}", ExitCode.USAGE) from error

    @property
    def api(self) -> ApiClient:
        """The API, under this session's identity."""
        if self._client is None:
            from cli.client import ApiClient

            token = self._token()
            if token is not None and not (token.isascii() and token.isprintable()):
                raise CommandFailed("the token is not one of ours", ExitCode.AUTH)
            self._client = ApiClient(self._url(), token)
        return self._client

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._client is not None:
            self._client.close()

    def identity(self) -> str:
        """Return how to spell this identity in a next command: `--as approver ` or nothing."""
        return f"--as {self.as_name} " if self.as_name else ""

    def _url(self) -> str:
        chosen = self.given_url or os.environ.get("SLUICE_URL")
        if chosen:
            return chosen.rstrip("/")
        noted = _read_json(self.settings.state_dir / API_FILE)
        if isinstance(noted, dict) and isinstance(noted.get("url"), str):
            return str(noted["url"])
        return f"http://{self.settings.http.host}:{self.settings.http.port}"

    def _token(self) -> str | None:
        if self.as_name is None:
            from_environment = os.environ.get("SLUICE_TOKEN")
            if from_environment:
                return from_environment
        file = self.settings.state_dir / "tokens.json"
        local = _read_json(file)
        if not isinstance(local, dict):
            if self.as_name is None:
                return None
            hint = "start the local stack with `sluice up`, or set SLUICE_TOKEN and leave out --as"
            raise CommandFailed(f"{file} cannot be read, so --as knows nobody", ExitCode.AUTH, hint)
        if self.as_name is None:
            hint = f"choose one: --as {' | --as '.join(local)}"
            raise CommandFailed("it is not clear who you are", ExitCode.AUTH, hint)
        if self.as_name not in local:
            hint = f"there are: {', '.join(local)}"
            raise CommandFailed(f"there is no local identity {self.as_name!r}", ExitCode.AUTH, hint)
        return str(local[self.as_name])


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def tell(failed: CommandFailed) -> None:
    """Say why a command failed, and what to do next."""
    say(f"sluice: {failed}")
    if failed.hint:
        say(f"  {failed.hint}")


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the shared options and a `Session` as `session`, and end it with the right exit code."""
    signature = inspect.signature(function, eval_str=True)
    own = [parameter for parameter in signature.parameters.values() if parameter.name != "session"]
    keyword = inspect.Parameter.KEYWORD_ONLY
    shared = [
        inspect.Parameter("ctx", keyword, annotation=typer.Context),
        inspect.Parameter("as_name", keyword, default=None, annotation=AsName),
        inspect.Parameter("url", keyword, default=None, annotation=Url),
        inspect.Parameter("output", keyword, default=None, annotation=Output),
    ]

    @functools.wraps(function)
    def run(ctx: typer.Context, as_name: str | None, url: str | None, output: Any, **given: Any) -> None:
        before = ctx.find_root().obj or Given()
        session = Session(
            as_name=as_name or before.as_name,
            given_url=url or before.url,
            output=output or before.output or OutputFormat.TABLE,
        )
        try:
            function(session=session, **given)
        except CommandFailed as failed:
            tell(failed)
            raise typer.Exit(failed.code) from failed
        except KeyboardInterrupt:
            say("interrupted; what was begun goes on")
            raise typer.Exit(ExitCode.INTERRUPTED) from None
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            raise typer.Exit(ExitCode.OK) from None
        finally:
            session.close()

    keyword_only = [parameter.replace(kind=keyword) for parameter in own]
    run.__signature__ = signature.replace(parameters=[*keyword_only, *shared])  # type: ignore[attr-defined]
    return run
