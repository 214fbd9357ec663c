"""Tokens: what is good, and everything that is not."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from time import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from a2a_node.access.issuers import Issuer
from a2a_node.access.jwks import BadKeySet, key_set
from a2a_node.access.mint import MESH, Claims
from a2a_node.access.tokens import LONGEST, read
from a2a_node.model.errors import Unauthenticated
from a2a_node.model.principal import Principal, Proof
from tests.unit.access.keys_house import AUDIENCE, ISSUER, PRIVATE, House, housed, pem, published, signed

SECRET = b"x" * 32
SHARED = Issuer("shared", (AUDIENCE,), secret=SECRET, algorithms=frozenset(("HS256",)))
NAMED = Issuer("named", (AUDIENCE,), secret=SECRET, algorithms=frozenset(("HS256",)), claim="login", kind="person")
DAMAGED = "the token is damaged"
NO_KEY = "the token names no key that its issuer has for its algorithm"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An issuer with a key of each kind, one with whom a secret is shared, and one that names people by login."""
    async with housed(tmp_path, SHARED, NAMED) as opened:
        yield opened


def part(said: object) -> str:
    """A part of a token."""
    return base64.urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"=").decode()


def unsigned(**header: object) -> str:
    """A token that is fine but for its signature."""
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "person:ada", "exp": int(time()) + 600}
    return f"{part(header)}.{part(claims)}."


def by_public_key(algorithm: str) -> str:
    """A token whose MAC is made with what everybody can read: the issuer's public key."""
    text = f"{part({'alg': 'HS256', 'kid': algorithm})}.{unsigned().split('.')[1]}"
    mac = hmac.digest(pem(algorithm), text.encode(), hashlib.sha256)
    return f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


@pytest.mark.parametrize("algorithm", PRIVATE)
async def test_a_good_token_says_who_is_calling(house: House, algorithm: str) -> None:
    """By each algorithm, for any of the audiences."""
    for audience in (AUDIENCE, "other", ["elsewhere", AUDIENCE]):
        proof = await house.shown(signed(algorithm, aud=audience, jti="t1"))
        assert isinstance(proof, Proof)
        assert (proof.principal, proof.scopes, proof.token) == (Principal("person", "ada"), None, "t1")


WRONG: tuple[tuple[Callable[[], str], str], ...] = (
    (lambda: signed(exp=int(time()) - 6), "the token has expired"),
    (lambda: signed(nbf=int(time()) + 60), "the token is not valid yet"),
    (lambda: signed(iat=int(time()) + 60), "the token is not valid yet"),
    (lambda: signed(aud="elsewhere"), "the token is for another audience"),
    (lambda: signed(iss="https://elsewhere.test/"), "the token's issuer is not trusted here"),
    (lambda: signed(iss=MESH), NO_KEY),
    (lambda: signed(iss=None), DAMAGED),
    (lambda: signed(aud=None), "the token has no claim 'aud'"),
    (lambda: signed(exp=None), "the token has no claim 'exp'"),
    (lambda: signed(sub=None), "the token has no claim 'sub'"),
    (lambda: signed(sub="ada"), "the token's claim 'sub' names no principal such as person:ada"),
    (lambda: signed(sub="node:n1"), "the token's issuer may not speak for a principal that is a node"),
    (lambda: signed(sub="person:a b"), "the token's claim 'sub' names no principal such as person:ada"),
    (lambda: signed(key_id="unknown"), NO_KEY),
    (lambda: signed(key_id="RS256"), NO_KEY),
    (lambda: unsigned(alg="none", kid="EdDSA"), NO_KEY),
    (lambda: unsigned(alg="None", kid="EdDSA"), NO_KEY),
    (lambda: unsigned(alg="EdDSA", kid="EdDSA"), "the token's signature is wrong"),
    (lambda: unsigned(kid="EdDSA"), DAMAGED),
    (lambda: unsigned(alg="EdDSA", kid="EdDSA", crit=["x"]), DAMAGED),
    (lambda: by_public_key("RS256"), NO_KEY),
    (lambda: by_public_key("ES256"), NO_KEY),
    (lambda: signed() + "." + "x", "what was sent is neither a key of this mesh nor a token"),
    (lambda: "x" * (LONGEST + 1), f"the token has more than {LONGEST} characters"),
    (lambda: "a.b.c", DAMAGED),
)


@pytest.mark.parametrize("number", range(len(WRONG)))
async def test_what_is_wrong_with_a_token_is_said(house: House, number: int) -> None:
    """And nothing of the token itself."""
    wrong, why = WRONG[number]
    assert await house.shown(wrong()) == why


@given(st.data())
async def test_a_token_with_a_character_changed_is_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whichever it is, and whatever it becomes."""
    async with housed(tmp_path_factory.mktemp("house")) as house:
        token = signed(data.draw(st.sampled_from(sorted(PRIVATE))))
        place = data.draw(st.integers(0, len(token) - 2))  # the last one may hold bits that mean nothing
        other = data.draw(st.sampled_from("ABCxyz019-_.").filter(lambda one: one != token[place]))
        assert isinstance(await house.shown(token[:place] + other + token[place + 1 :]), str)


async def test_clocks_may_differ_a_little(house: House) -> None:
    """By the leeway, and no more."""
    now = int(time())
    for good in (signed(exp=now - 2), signed(nbf=now + 3), signed(iat=now + 3)):
        assert isinstance(await house.shown(good), Proof)


async def test_a_shared_secret_signs_only_where_the_settings_say_so(house: House) -> None:
    """By that issuer alone, and no issuer of the other kind is believed by it."""
    claims = {"iss": "shared", "aud": AUDIENCE, "sub": "agent:crowd", "exp": int(time()) + 60}
    proof = await house.shown(jwt.encode(claims, SECRET, "HS256"))
    assert isinstance(proof, Proof)
    assert proof.principal == Principal("agent", "crowd")
    assert await house.shown(jwt.encode(claims, b"y" * 32, "HS256")) == "the token's signature is wrong"
    assert await house.shown(jwt.encode(claims | {"iss": ISSUER}, SECRET, "HS256")) == NO_KEY
    assert await house.shown(signed(iss="shared")) == NO_KEY


async def test_another_claim_may_name_the_principal(house: House) -> None:
    """With the kind that the settings put in front of it."""
    claims = {"iss": "named", "aud": AUDIENCE, "sub": "4711", "login": "ada@id.test", "exp": int(time()) + 60}
    proof = await house.shown(jwt.encode(claims, SECRET, "HS256"))
    assert isinstance(proof, Proof)
    assert str(proof.principal) == "person:ada@id.test"


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({}, None),
        ({"scope": "agent:echo:invoke cache:read"}, ("agent:echo:invoke", "cache:read")),
        ({"scope": "openid profile"}, ()),
        ({"permissions": ["agent:*:invoke", "*:*:*", 7]}, ("agent:*:invoke",)),
        ({"permissions": [], "scope": "cache:read"}, ()),
    ],
)
async def test_claims_bound_what_a_token_may_do(
    house: House, claims: dict[str, object], scopes: tuple[str, ...] | None
) -> None:
    """What is no permission allows nothing."""
    proof = await house.shown(signed("EdDSA", None, **claims))
    assert isinstance(proof, Proof)
    assert proof.scopes == scopes


async def test_keys_of_an_issuer_are_exchanged_while_the_node_runs(house: House) -> None:
    """Old tokens are believed no longer, new ones at once, and a damaged file changes nothing."""
    old = signed("RS256")
    assert isinstance(await house.shown(old), Proof)
    replaced(house.jwks, published("EdDSA", prefix="new-"))
    assert isinstance(await house.shown(signed(key_id="new-EdDSA")), Proof)
    assert await house.shown(old) == NO_KEY
    replaced(house.jwks, b"nothing")
    source = house.issuers.find(ISSUER)
    assert source is not None
    await source.read()
    assert isinstance(await house.shown(signed(key_id="new-EdDSA")), Proof)
    house.jwks.unlink()
    assert isinstance(await house.shown(signed(key_id="new-EdDSA", sub="person:bob")), Proof)


def replaced(file: Path, content: bytes) -> None:
    """Put another file in its place, as a whole."""
    draft = file.with_suffix(".draft")
    draft.write_bytes(content)
    draft.rename(file)


async def test_a_token_of_the_mesh_ends_with_the_key_that_it_was_issued_under(house: House) -> None:
    """Seen before or not."""
    key, _ = await house.key()
    claims = Claims("person:ann", time() + 60, permissions=("cache:read",), key=key.id)
    seen, unseen = (house.mint.token(claims)[0] for _ in range(2))
    proof = await house.shown(seen)
    assert isinstance(proof, Proof)
    assert (str(proof.principal), proof.scopes, proof.key) == ("person:ann", ("cache:read",), key.id)
    await house.end(key)
    for token in (seen, unseen):
        assert await house.shown(token) == "the key was revoked, or has expired"
    nodes = house.mint.token(Claims("node:n1", time() + 60))[0]
    assert isinstance(await house.shown(nodes), Proof)


async def test_nobody_signs_in_the_name_of_the_mesh(house: House) -> None:
    """Neither with an own key under one of its names, nor with its name under an own key."""
    (own,) = house.keyring.book.signing
    claims = {"iss": MESH, "aud": MESH, "sub": "person:dev", "exp": int(time()) + 60}
    forged = jwt.encode(claims, Ed25519PrivateKey.generate(), "EdDSA", {"kid": own})
    assert await house.shown(forged) == "the token's signature is wrong"


async def test_what_is_refused_for_good_is_not_checked_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until keys change; what time can mend is."""
    checked: list[str] = []
    decode = jwt.decode

    def counted(token: str, *more: object, **options: object) -> object:
        checked.append(token)
        return decode(token, *more, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("a2a_node.access.tokens.decode", counted)
    wrong, early = signed(aud="elsewhere"), signed(nbf=int(time()) + 600)
    for _ in range(3):
        assert isinstance(await house.shown(wrong), str)
        assert isinstance(await house.shown(early), str)
    assert (checked.count(wrong), checked.count(early)) == (1, 3)
    await house.key()
    assert isinstance(await house.shown(wrong), str)
    assert checked.count(wrong) == 2


async def test_many_who_name_an_unknown_key_cause_one_look(tmp_path: Path) -> None:
    """And a new key is known to all of them."""
    async with housed(tmp_path) as house:
        replaced(house.jwks, published(*PRIVATE, prefix="new-"))
        shown = await asyncio.gather(*(house.shown(signed(key_id="new-EdDSA", jti=str(n))) for n in range(20)))
        assert all(isinstance(proof, Proof) for proof in shown)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"keys": 7}', b'{"keys": [' + b"{}," * 64 + b"{}]}"])
def test_what_is_no_set_of_keys_is_refused(content: bytes) -> None:
    """In words."""
    with pytest.raises(BadKeySet):
        key_set(content, frozenset(PRIVATE))


def test_keys_of_a_set_that_are_of_no_use_are_left_out() -> None:
    """Those for encryption, secrets, weak and damaged ones, and those of other algorithms."""
    found = json.loads(published(*PRIVATE))["keys"]
    others = [
        found[0] | {"use": "enc"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "secret", "alg": "HS256"},
        found[2] | {"n": "AQAB", "kid": "weak"},
        found[2] | {"alg": "RS512", "kid": "long"},
        {"kty": "EC", "crv": "P-256", "x": "?", "y": "?", "kid": "damaged"},
        7,
    ]
    assert list(key_set(json.dumps({"keys": [*others, found[1]]}).encode(), frozenset(PRIVATE))) == ["ES256"]


@given(st.text(max_size=200))
def test_no_text_is_read_otherwise_than_refused(text: str) -> None:
    """Whatever somebody sends."""
    with pytest.raises(Unauthenticated):
        read(text)
