"""GUARDRAILS on the command line: `sluice policy test|build|verify`, a set of policies before OPA gets it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.exit_codes import CommandFailed, ExitCode
from cli.output import say, write_json
from cli.session import Session, command

if TYPE_CHECKING:
    from adapters.opa.bundle import Bundle

Directory = Annotated[
    Path | None, typer.Argument(help="A directory of policies; without, those of this installation.")
]
Configurations = Annotated[
    list[Path] | None,
    typer.Option(
        "--configuration",
        help="A configuration that must declare the environments which the limits name; several, where one "
        "bundle is for all of them. Default: what SLUICE_CONFIG names, if anything.",
    ),
]


def opa_program(session: Session) -> Path:
    """Return the OPA of this machine, which is built or fetched where there is none.

    Raises:
        CommandFailed: it cannot be had.
    """
    from tools.catalogue import OPA
    from tools.programs import ProgramNotFoundError, explicit_path, resolve

    settings = session.settings
    try:
        found = resolve(OPA, state_dir=settings.state_dir, explicit=explicit_path(settings.programs, OPA))
    except ProgramNotFoundError as error:
        raise CommandFailed(str(error), ExitCode.ERROR, "look closer: `sluice doctor`") from error
    return found.path


def _source(directory: Path | None) -> Path:
    from adapters.opa.sources import POLICIES

    return POLICIES if directory is None else directory


def _environments(session: Session, configurations: list[Path] | None) -> frozenset[str] | None:
    """The environments that are declared; None: nobody said where."""
    from adapters.configuration import load
    from contracts.errors import ConfigurationInvalid

    files = configurations or list(filter(None, [session.settings.config]))
    try:
        return frozenset(name for file in files for name in load(file).environments) if files else None
    except ConfigurationInvalid as error:
        raise CommandFailed(str(error), ExitCode.USAGE) from error


@command
def check(session: Session, directory: Directory = None, configuration: Configurations = None) -> None:
    """Check policies: limits, format, strict compilation, tests that cover every line, samples."""
    from adapters.opa.checks import flaws_of
    from adapters.opa.sources import policy_names
    from contracts.errors import ConfigurationInvalid

    source, environments = _source(directory), _environments(session, configuration)
    try:
        flaws = flaws_of(opa_program(session), source, environments)
    except ConfigurationInvalid as error:
        raise CommandFailed(str(error), ExitCode.USAGE) from error
    names = policy_names(source)
    if session.is_json:
        shown = [{"check": flaw.check, "message": flaw.message} for flaw in flaws]
        write_json({"sound": not flaws, "policies": list(names), "flaws": shown})
    else:
        for flaw in flaws:
            say(f"{flaw.check}: {flaw.message}")
        say(f"{len(names)} policies: {f'{len(flaws)} checks failed' if flaws else 'nothing found'}")
    if flaws:
        raise typer.Exit(ExitCode.ERROR)


@command
def build(
    session: Session,
    directory: Directory = None,
    sign_key: Annotated[
        Path | None, typer.Option(help="PEM file with an ECDSA P-256 key; signs the bundle (ES256).")
    ] = None,
    file: Annotated[Path, typer.Option("--file", "-f", help="The bundle to write.")] = Path("bundle.tar.gz"),
    unsigned: Annotated[
        bool, typer.Option("--unsigned", help="Without a signature: for trying out only.")
    ] = False,
    configuration: Configurations = None,
) -> None:
    """Pack policies into a signed bundle for OPA. Its revision is the digest of rules and limits."""
    from adapters.opa.bundle import build_bundle
    from contracts.errors import ConfigurationInvalid

    if (sign_key is None) != unsigned:
        hint = "openssl ecparam -genkey -name prime256v1 -noout -out bundle_private.pem"
        raise CommandFailed("pass --sign-key FILE, or --unsigned for trying out", ExitCode.USAGE, hint)
    environments = _environments(session, configuration)
    try:
        made = build_bundle(
            opa_program(session),
            file,
            source=_source(directory),
            signing_key=sign_key,
            environments=environments,
        )
    except ConfigurationInvalid as error:
        raise CommandFailed(str(error)) from error
    _tell(session, file, made, signed=sign_key is not None)


@command
def verify(
    session: Session,
    bundle: Annotated[Path, typer.Argument(help="A bundle.")],
    key: Annotated[Path, typer.Option(help="PEM file with the public key that must have signed it.")],
) -> None:
    """Verify a bundle's signature, and say which revision and policies it holds."""
    from adapters.opa.bundle import verify_bundle
    from contracts.errors import ConfigurationInvalid

    try:
        found = verify_bundle(opa_program(session), bundle, key)
    except ConfigurationInvalid as error:
        raise CommandFailed(str(error), ExitCode.VERIFICATION) from error
    _tell(session, bundle, found, signed=True)


def _tell(session: Session, file: Path, bundle: Bundle, *, signed: bool) -> None:
    if session.is_json:
        shown = {"file": str(file), "revision": bundle.revision, "signed": signed}
        write_json(shown | {"policies": list(bundle.policies)})
        return
    say(f"{file}: {len(bundle.policies)} policies, {'signed' if signed else 'NOT SIGNED'}")
    say(f"revision {bundle.revision}")
