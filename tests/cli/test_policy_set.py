"""`sluice policy test|build|verify` on a copy of the shipped policies, with the real `opa`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from typer.testing import CliRunner, Result

from adapters.opa.sources import POLICIES, revision_of
from cli.exit_codes import ExitCode
from cli.main import app


@pytest.fixture(autouse=True)
def _programs(opa_binary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_PROGRAMS__OPA", str(opa_binary))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    shutil.copytree(POLICIES, tmp_path / "policies")
    return tmp_path / "policies"


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


def sluice(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["policy", *map(str, arguments)])


def test_sound_policies_pass(source: Path) -> None:
    done = sluice("test", source, "--output", "json")
    assert done.exit_code == ExitCode.OK
    assert json.loads(done.stdout)["flaws"] == []


def test_flaws_are_told_with_the_check_that_found_them(source: Path) -> None:
    (source / "data.yaml").write_text("sluice:\n  limits:\n    region:\n")
    done = sluice("test", source)
    assert done.exit_code == ExitCode.ERROR
    assert "limits: " in done.stderr
    assert "data.yaml:2" in done.stderr


def configured(folder: Path, *environments: str) -> Path:
    file = folder / f"{'-'.join(environments)}.yaml"
    file.write_text("environments:\n" + "".join(f"  {name}: {{}}\n" for name in environments))
    return file


def misspell(source: Path) -> None:
    data = source / "data.yaml"
    data.write_text(data.read_text().replace("production: 200", "prodcution: 200"))


def test_limits_of_an_environment_that_no_configuration_declares_are_a_flaw_and_become_no_bundle(
    source: Path, tmp_path: Path
) -> None:
    ours = configured(tmp_path, "production", "development")
    misspell(source)
    tested = sluice("test", source, "--configuration", ours)
    built = sluice("build", source, "--unsigned", "-f", tmp_path / "bundle", "--configuration", ours)
    for done in (tested, built):
        assert done.exit_code == ExitCode.ERROR
        assert "'prodcution' is not one of the environments: was 'production' meant?" in done.stderr
    assert not (tmp_path / "bundle").exists()


def test_the_configuration_of_this_installation_is_the_one_that_counts_where_no_other_is_named(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_CONFIG", str(configured(tmp_path, "production")))
    done = sluice("test", source)
    assert done.exit_code == ExitCode.ERROR
    assert "'development' is not one of the environments" in done.stderr


def test_one_bundle_may_be_for_several_configurations(source: Path, tmp_path: Path) -> None:
    named = [configured(tmp_path, name) for name in ("production", "development")]
    both = [part for file in named for part in ("--configuration", file)]
    bundle = tmp_path / "bundle"
    assert sluice("build", source, "--unsigned", "-f", bundle, *both).exit_code == ExitCode.OK


def test_a_configuration_that_is_wrong_itself_is_told(source: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("environments: {}\n")
    done = sluice("test", source, "--configuration", wrong)
    assert done.exit_code == ExitCode.USAGE
    assert "wrong.yaml:1: environments" in done.stderr


def test_a_directory_without_policies_is_a_mistake(tmp_path: Path) -> None:
    assert sluice("test", tmp_path).exit_code == ExitCode.USAGE


def test_a_signed_bundle_verifies_with_its_key_and_names_its_revision(
    source: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    private, public = keys
    bundle = tmp_path / "bundle.tar.gz"
    assert sluice("build", source, "--sign-key", private, "-f", bundle).exit_code == ExitCode.OK
    done = sluice("verify", bundle, "--key", public, "--output", "json")
    assert done.exit_code == ExitCode.OK
    assert json.loads(done.stdout)["revision"] == revision_of(source)
    assert str(source) not in bundle.read_bytes().decode("latin-1")


@pytest.mark.parametrize("flaw", ["unsigned", "cut", "missing"])
def test_what_is_no_sound_bundle_does_not_verify(
    source: Path, keys: tuple[Path, Path], tmp_path: Path, flaw: str
) -> None:
    private, public = keys
    bundle = tmp_path / "bundle.tar.gz"
    how = ["--unsigned"] if flaw == "unsigned" else ["--sign-key", private]
    assert sluice("build", source, *how, "-f", bundle).exit_code == ExitCode.OK
    if flaw == "cut":
        bundle.write_bytes(bundle.read_bytes()[:2_000])
    if flaw == "missing":
        bundle.unlink()
    assert sluice("verify", bundle, "--key", public).exit_code == ExitCode.VERIFICATION


def test_a_bundle_is_signed_unless_somebody_says_otherwise(source: Path, tmp_path: Path) -> None:
    done = sluice("build", source, "-f", tmp_path / "bundle.tar.gz")
    assert done.exit_code == ExitCode.USAGE
    assert not (tmp_path / "bundle.tar.gz").exists()


def test_flawed_policies_become_no_bundle_and_the_old_one_stays(source: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.tar.gz"
    bundle.write_bytes(b"the old one")
    rule = source / "region" / "policy.rego"
    rule.write_text(rule.read_text() + "\nbroken if {\n")
    done = sluice("build", source, "--unsigned", "-f", bundle)
    assert done.exit_code == ExitCode.ERROR
    assert "region/policy.rego" in done.stderr
    assert bundle.read_bytes() == b"the old one"
