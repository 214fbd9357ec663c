"""The doors of the node, as its settings open them: who may read along, and who may look around without a key."""

from __future__ import annotations

from collections.abc import Sequence

from a2a_node.cli.checks.item import Item, Verdict, item, needs, wants
from a2a_node.settings import Settings, is_loopback


@item
def tls_clients(settings: Settings) -> Verdict:
    """Keys and payloads of clients pass here."""
    secured = settings.tls_cert is not None
    message = f"the clients' door, {settings.host}, is {'by TLS' if secured else 'without TLS'}"
    decide = wants if is_loopback(settings.host) else needs
    return decide(secured, message, "give A2A_TLS_CERT and A2A_TLS_KEY")


@item
def tls_http(settings: Settings) -> Verdict:
    """The same keys open the API; beyond loopback somebody has said twice that it needs no TLS, as in a closed pod."""
    message = f"HTTP, {settings.http_host}, is {'by TLS' if settings.http_secured else 'without TLS'}"
    advice = "give A2A_TLS_CERT and A2A_TLS_KEY, and leave A2A_HTTP_TLS at auto"
    return wants(settings.http_secured, message, advice)


@item
def insecure_bind(settings: Settings) -> Verdict:
    """A door beyond loopback without TLS has to be asked for twice; the clients' door never has a reason to."""
    how = f"asked for {settings.insecure_bind_confirm or 'nothing'}" if settings.insecure_bind else "off"
    advice = "serve by TLS and take A2A_INSECURE_BIND away, or let nobody else reach that door"
    decide = wants if settings.tls_cert else needs
    return decide(not settings.insecure_bind, f"--insecure-bind is {how}", advice)


@item
def open_reflection(settings: Settings) -> Verdict:
    """Strangers need not know what services there are."""
    how = "on" if settings.open_reflection else "off"
    return needs(not settings.open_reflection, f"reflection without a key is {how}", "take A2A_OPEN_REFLECTION away")


@item
def cors_origins(settings: Settings) -> Verdict:
    """A page that came in the clear may be anybody's."""
    plain = [origin for origin in settings.http_cors_origins if origin.startswith("http://")]
    message = f"pages may ask from {', '.join(settings.http_cors_origins) or 'nowhere'}"
    return needs(not plain, message, f"take {', '.join(plain)} out of A2A_HTTP_CORS_ORIGINS, or serve it by https")


CHECKS: Sequence[Item[Settings]] = (tls_clients, tls_http, insecure_bind, open_reflection, cors_origins)
