"""A node whose Postgres and Redis are met by TLS, as their URLs ask for it; what is wrong with it is told at start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509

from a2a_node.client import MeshClient
from a2a_node.model.errors import SettingInvalid
from a2a_node.node import running
from a2a_node.settings import Settings
from tests.integration.certificates import Authority
from tests.integration.tls_fronts import Front, shown

HERE = (x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1")))
TRUSTED = "ssl_ca_certs={}/store.ca"
ELSEWHERE = (x509.DNSName("elsewhere.example"),)


@dataclass(frozen=True, slots=True)
class Ways:
    """The stores with TLS before them, their URLs without any parameters, and a folder with certificates."""

    postgres: Front
    redis: Front
    postgres_url: str
    redis_url: str
    folder: Path


def place(url: str) -> tuple[str, int]:
    """Where a URL leads."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def moved(url: str, port: int, scheme: str) -> str:
    """The URL by another port of this machine."""
    parts = urlsplit(url)
    return parts._replace(scheme=scheme, netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}").geturl()


@pytest.fixture
async def ways(tmp_path: Path, postgres_url: str, redis_url: str) -> AsyncIterator[Ways]:
    """Stores whose certificates an authority of the test has signed, beside one that has not."""
    key, certificate, _ = Authority().laid(tmp_path, "store", HERE)
    Authority().laid(tmp_path, "stranger", HERE)
    tls = shown(certificate, key)
    async with AsyncExitStack() as house:
        postgres = Front(place(postgres_url), tls, postgres=True)
        redis = Front(place(redis_url), tls, postgres=False)
        ports = [await house.enter_async_context(front.open()) for front in (postgres, redis)]
        urls = moved(postgres_url, ports[0], "postgresql"), moved(redis_url, ports[1], "rediss")
        yield Ways(postgres, redis, *urls, tmp_path)


def settings(data_dir: Path) -> Settings:
    """A node on ports that are free."""
    data_dir.mkdir()
    return Settings.model_validate({"data_dir": data_dir, "grpc_port": 0, "peer_port": 0, "http_port": 0})


async def test_both_stores_are_met_by_tls_alone(ways: Ways, data_dir: Path) -> None:
    """With certificates that are checked against the authority that the URLs name."""
    verified = f"sslmode=verify-full&sslrootcert={ways.folder / 'store.ca'}"
    urls = f"{ways.postgres_url}?{verified}", f"{ways.redis_url}?ssl_ca_certs={ways.folder / 'store.ca'}"
    async with running(settings(data_dir), *urls) as node:
        async with MeshClient(node.grpc_address, node.key_file.read_text().strip()) as mesh:
            assert await mesh.call("echo", "say", {"text": "over TLS"}) == {"text": "over TLS"}
            session = await mesh.sessions.create()
            assert (await mesh.sessions.get(session.id)).id == session.id
        assert ways.postgres.served
        assert ways.redis.served


@pytest.mark.parametrize(
    ("queries", "setting", "said"),
    [
        (("sslmode=verify-full&sslrootcert={}/stranger.ca", TRUSTED), "postgres_url", "not believed"),
        (("sslmode=require", "ssl_ca_certs={}/stranger.ca"), "redis_url", "not believed"),
        (("sslmode=require", ""), "redis_url", "not believed"),
        (("sslmode=verify-full&sslrootcert={}/none.ca", TRUSTED), "postgres_url", "sslrootcert"),
        (("sslmode=require", "ssl_ca_certs={}/none.ca"), "redis_url", "ssl_ca_certs"),
        (("sslmode=verify-fully", TRUSTED), "postgres_url", "sslmode"),
        (("sslmode=require", "ssl_cert_reqs=perhaps"), "redis_url", "perhaps"),
    ],
    ids=["authority", "redis authority", "no authority", "no file", "no redis file", "no mode", "no redis mode"],
)
async def test_what_is_wrong_with_tls_is_told_at_once(
    ways: Ways, data_dir: Path, queries: tuple[str, str], setting: str, said: str
) -> None:
    """By the setting that is to be mended, without its password."""
    postgres, redis = (query.format(ways.folder) for query in queries)
    urls = f"{ways.postgres_url}?{postgres}", f"{ways.redis_url}?{redis}"
    with pytest.raises(SettingInvalid) as failed:
        async with running(settings(data_dir), *urls):
            pass
    assert failed.value.variables["setting"] == setting
    assert said in failed.value.message
    assert (urlsplit(ways.postgres_url).password or "?") not in failed.value.message


async def test_a_certificate_of_another_host_is_not_believed(
    data_dir: Path, tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    """Although an authority that the URL names has signed it."""
    key, certificate, authority = Authority().laid(tmp_path, "store", ELSEWHERE)
    async with Front(place(postgres_url), shown(certificate, key), postgres=True).open() as port:
        url = f"{moved(postgres_url, port, 'postgresql')}?sslmode=verify-full&sslrootcert={authority}"
        with pytest.raises(SettingInvalid, match=r"127\.0\.0\.1"):
            async with running(settings(data_dir), url, redis_url):
                pass


async def test_a_store_without_tls_is_not_met_where_tls_is_asked_for(
    data_dir: Path, postgres_url: str, redis_url: str
) -> None:
    """Nothing goes over the line in the clear."""
    with pytest.raises(SettingInvalid, match=r"postgres_url.*does not speak"):
        async with running(settings(data_dir), f"{postgres_url}?sslmode=require", redis_url):
            pass
