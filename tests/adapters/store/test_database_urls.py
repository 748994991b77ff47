"""What a database's URL may say, above all of TLS: the pool, the migrations and doctor take it, or refuse it, alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from adapters.store.database import Database, dsn_of
from adapters.store.migrate import upgrade
from adapters.store.revision import require_current
from contracts.errors import ConfigurationInvalid, StoreUnavailable
from local.postgres import SUPERUSER, PostgresServer
from settings import DatabaseSettings, Settings
from tests.silent_relay import tls_before_postgres
from tools.doctor import CheckStatus, examine


def certificate(file: Path) -> Path:
    """Write a certificate of 127.0.0.1, signed by itself, with its key."""
    key, name = Ed25519PrivateKey.generate(), x509.Name([])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(hours=1))
        .not_valid_after(datetime.now(UTC) + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=True)
        .sign(key, None)
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + made.public_bytes(Encoding.PEM))
    return file


async def doctor(url: str, state: Path) -> tuple[CheckStatus, str]:
    settings = Settings(state_dir=state, database=DatabaseSettings(url=SecretStr(url)))
    (found,) = [one for one in await examine(settings) if one.name == "postgresql"]
    assert "hunter2" not in repr(found)
    return found.status, found.hint


async def use(url: str) -> None:
    """Do with a URL what parts do that run."""
    database = Database(url, pool_size=1)
    try:
        await require_current(database)
    finally:
        await database.close()


async def test_a_url_with_sslmode_verify_full_is_taken_by_the_pool_as_by_doctor(
    postgres_engine: PostgresServer, database_url: str, tmp_path: Path
) -> None:
    name = dsn_of(database_url).partition("?")[0].rpartition("/")[2]
    own, foreign = certificate(tmp_path / "own.pem"), certificate(tmp_path / "foreign.pem")
    async with tls_before_postgres(postgres_engine.sockets, own) as relay:
        said = f"postgresql://{SUPERUSER}:hunter2@{relay.address}/{name}?sslmode=verify-full&sslrootcert="
        for taking in (upgrade, use):
            await taking(f"{said}{own}")
            with pytest.raises(StoreUnavailable):
                await taking(f"{said}{foreign}")
        assert (await doctor(f"{said}{own}", tmp_path))[0] is CheckStatus.OK
        assert (await doctor(f"{said}{foreign}", tmp_path))[0] is CheckStatus.FAIL


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("sslmode=verify-full", "verify-full and not by sslrootcert which file"),
        ("sslmode=verify-ca&sslrootcert=", "verify-ca and not by sslrootcert which file"),
        ("sslmode=verify-full&sslrootcert=/nowhere/hunter2", "a file by sslrootcert that cannot be read"),
        ("sslmode=hunter2", "an sslmode that is none of disable, allow"),
        ("sslmode=require&sslmode=verify-full", "an sslmode that is none of disable, allow"),
        ("port=6432", "before the [?] and behind it"),
        ("host=hunter2", "before the [?] and behind it"),
        ("user=hunter2", "no more behind the [?] than host, port"),
        ("hunter2=1", "no more behind the [?] than host, port"),
        ("sslMode=require", "no more behind the [?] than host, port"),
    ],
)
async def test_what_nobody_would_heed_is_refused_in_one_line_without_the_password(
    said: str, why: str, tmp_path: Path
) -> None:
    url = f"postgresql://ana:hunter2@127.0.0.1:1/name?{said}"
    for taking in (upgrade, use):
        with pytest.raises(ConfigurationInvalid, match=f"^SLUICE_DATABASE__URL .*{why}.*$") as refused:
            await taking(url)
        assert "hunter2" not in str(refused.value)
    assert await doctor(url, tmp_path) == (CheckStatus.FAIL, str(refused.value))


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("ssl=require", "sslmode=require"),
        ("host=one:5432&host=two:5433", "host=one%3A5432%2Ctwo%3A5433"),
        ("host=%2Frun%2Fpostgresql", "host=%2Frun%2Fpostgresql"),
    ],
)
def test_what_sqlalchemy_spells_in_a_way_of_its_own_is_still_taken(said: str, meant: str) -> None:
    assert dsn_of(f"postgresql+asyncpg://{SUPERUSER}:a%40b@/name?{said}") == (
        f"postgresql://{SUPERUSER}:a%40b@/name?{meant}"
    )
