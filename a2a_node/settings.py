"""Every setting of a node: an `A2A_*` variable and an option of `serve` and `up`. Only `node` and `cli` read this."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from a2a_node.model.errors import SettingInvalid
from a2a_node.model.names import NAME
from a2a_node.model.places import default_data_dir
from a2a_node.model.principal import WRITTEN
from a2a_node.secret_sources import secret

DOMAIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,254}")
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}=[^,\x00-\x1f]{0,255}")
ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]{1,253}|\[[0-9a-f:]{2,45}\])(?::\d{1,5})?")
TRUST_DOMAIN = "a2a.local"


class Settings(BaseSettings):
    """A node's settings; spans are in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(env_prefix="A2A_", env_ignore_empty=True, extra="ignore", frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen on for gRPC; others than loopback need TLS.")
    http_host: str = Field("127.0.0.1", description="Address to listen on for HTTP; others than loopback need TLS.")
    advertise_host: str = Field("", description="Address where other nodes reach this one; absent means --host.")
    grpc_port: int = Field(50051, ge=0, le=65535, description="Port of the gRPC server; 0 picks a free one.")
    peer_port: int = Field(50052, ge=0, le=65535, description="Port for other nodes, by mTLS; 0 picks a free one.")
    http_port: int = Field(8080, ge=0, le=65535, description="Port of the HTTP server; 0 picks a free one.")
    health_port: int | None = Field(
        None, ge=1, le=65535, description="Port of --http-host for gRPC health alone, without TLS; absent means none."
    )
    http_tls: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Serve HTTP by TLS with tls_cert: on, off, or auto (beyond loopback, unless that was confirmed).",
    )
    http_cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins whose pages may ask over HTTP, such as https://ops.example; absent means none."
    )
    http_trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Addresses and networks whose X-Forwarded-For and -Proto are believed; absent means none."
    )
    http_body_limit: int = Field(
        0, ge=0, le=1 << 30, description="Bytes of a request's body over HTTP; 0 means a payload in base64 and 64 KiB."
    )
    http_header_limit: int = Field(65_536, ge=4096, le=1 << 20, description="Bytes of a request's head over HTTP.")
    http_header_seconds: float = Field(10.0, ge=0.1, le=3600, description="Seconds for the head of a request.")
    http_stall_seconds: float = Field(
        30.0, ge=0.1, le=3600, description="Seconds that a request's body, or who reads an answer, may stand still."
    )
    http_keep_alive: int = Field(15, ge=1, le=3600, description="Seconds that a connection is kept between requests.")
    http_connections: int = Field(1000, ge=10, le=100_000, description="Connections over HTTP at a time.")
    http_websockets: int = Field(100, ge=0, le=10_000, description="WebSockets at a time.")
    http_rules: Path | None = Field(
        None, description="File of rules for request inspection, TOML; absent means the node's own."
    )
    data_dir: Path = Field(
        default_factory=default_data_dir, description="Directory of the key and the embedded stores."
    )
    node_id: str = Field("", description="The node's name in the mesh; absent means one that is made once and kept.")
    region: str = Field("", description="Where the node runs, for example eu-west-1.")
    zone: str = Field("", description="Where in its region the node runs.")
    labels: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Labels of the node, each as name=value, by which MCP servers choose it."
    )
    agent: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Agents to host, each as `package.module:name`; commas between them in the variable."
    )
    administrators: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Principals that hold every permission, such as person:ada; commas between them in the variable.",
    )
    echo: bool = Field(default=True, description="Host the small agent `echo`, to try the node with.")
    ops: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Ops agents to host, which the built-in templates call: their names, or all."
    )
    ops_workspace: Path | None = Field(
        None, description="Directory that ops agents work in, the same for all nodes that host them."
    )
    ops_commands: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Programs that ops agents may run, as name or name=/path; absent means those that they need."
    )
    ops_git: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Where the agent git may clone from beside the workspace: folders, beginnings of https URLs."
    )
    ops_databases: SecretStr = Field(
        SecretStr(""), description="Databases that the agent database works on, as name=URL,name=URL."
    )
    ops_stores: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Where the agent vault keeps backups, as name=URL, such as name=file:///srv/backups."
    )
    ops_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Hosts that the agent prober may ask beside this machine, as host or host:port."
    )
    ops_webhooks: SecretStr = Field(
        SecretStr(""), description="Where the agent notifier tells people, as channel=URL,channel=URL."
    )
    ops_seconds: float = Field(600.0, gt=0, le=86_400, description="Seconds that a command of ops agents may take.")
    ops_output_bytes: int = Field(
        256 * 1024, ge=1024, le=1 << 24, description="Bytes that are kept of what such a command prints."
    )
    ops_workspace_bytes: int = Field(4 << 30, ge=1 << 20, description="Bytes in the workspace of ops agents at most.")
    ops_concurrency: int = Field(4, ge=1, le=64, description="Commands of ops agents at a time; more wait.")
    mcp: Literal["auto", "on", "off"] = Field(
        "auto", description="Serve the agents as MCP tools at /mcp of HTTP: on, off, or auto (on loopback alone)."
    )
    mcp_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Names by which MCP clients and their pages know the node, beside its addresses and localhost."
    )
    mcp_servers: Path | None = Field(
        None, description="File of MCP servers for the mesh to keep, JSON in the form of `mcpServers`."
    )
    mcp_secrets: Path | None = Field(
        None, description="Directory of the secrets that MCP servers are given by name, a file each."
    )
    postgres_url: SecretStr = Field(SecretStr(""), description="Postgres of the mesh; `up` brings its own.")
    redis_url: SecretStr = Field(SecretStr(""), description="Redis of the mesh; `up` brings its own.")
    mesh_passphrase: SecretStr = Field(
        SecretStr(""), description="Encrypts the private keys that the nodes share in Postgres; the same for all."
    )
    issuers: Path | None = Field(None, description="File of those whose tokens (JWT) are believed, TOML.")
    clock_leeway: float = Field(5.0, ge=0, le=300, description="Seconds that clocks of issuers may differ.")
    trust_domain: str = Field(TRUST_DOMAIN, description="Trust domain of SPIFFE ids in certificates.")
    tls_cert: Path | None = Field(None, description="Certificate chain of the clients' door, PEM; read when changed.")
    tls_key: Path | None = Field(None, description="Its private key, PEM.")
    tls_client_ca: Path | None = Field(None, description="Authorities whose certificates clients must show, PEM.")
    peer_cert: Path | None = Field(None, description="Certificate for other nodes, PEM; absent means the mesh's own.")
    peer_key: Path | None = Field(None, description="Its private key, PEM.")
    peer_ca: Path | None = Field(None, description="Authorities whose certificates other nodes show, PEM.")
    open_reflection: bool = Field(
        default=False, description="Answer gRPC reflection without a key on other addresses than loopback, too."
    )
    insecure_bind: bool = Field(
        default=False, description="Listen on an address that is not loopback without TLS; say so twice."
    )
    insecure_bind_confirm: str = Field("", description="The same address again, to confirm --insecure-bind.")
    payload_limit: int = Field(16 * 1024 * 1024, ge=1024, le=1 << 30, description="Bytes of a payload at most.")
    default_deadline: float = Field(30.0, gt=0, description="Seconds for a call that asks for no deadline.")
    max_deadline: float = Field(3600.0, gt=0, description="Seconds for any call at most.")
    max_hops: int = Field(8, ge=1, le=64, description="Agents on the path of a call at most.")
    limit_rate: float = Field(
        10.0, ge=0.001, le=1e6, description="Calls a second that anybody may make to a capability without a limit."
    )
    limit_burst: int = Field(100, ge=1, le=1_000_000, description="Calls at once that anybody may make to one.")
    lease: float = Field(15.0, ge=1, description="Seconds that the node is believed to live without a renewal.")
    stream_grace: float = Field(30.0, ge=0, description="Seconds that a stream goes on while nobody reads it.")
    drain: float = Field(20.0, ge=0, description="Seconds that running calls get when the node is told to stop.")
    run_retention: float = Field(30.0, gt=0, description="Days that runs of workflows are kept after their end.")
    workflows: bool = Field(default=True, description="Execute runs of workflows, in a process beside the node.")
    steps_apart: float = Field(
        0.04,
        ge=0,
        le=1,
        description="Seconds that steps of runs begin apart at most, where calls come and the loop is late; 0: never.",
    )
    trace_endpoint: str = Field(
        "", description="OTLP receiver of traces, for example http://127.0.0.1:4317; absent means that none are kept."
    )
    trace_protocol: Literal["grpc", "http"] = Field("grpc", description="How the receiver is spoken to: grpc or http.")
    trace_sampler: float = Field(
        1.0, ge=0, le=1, description="Share of new traces to keep; a caller's own decision is followed."
    )
    trace_headers: SecretStr = Field(
        SecretStr(""), description="What the receiver is sent along, as name=value,name=value."
    )
    batch_scheduling: bool = Field(
        default=True, description="Run under SCHED_BATCH on Linux: 1.35 times the calls per second."
    )
    audit_queue: int = Field(10_000, ge=100, le=1_000_000, description="Audit events that wait to be written at most.")
    audit_full: Literal["block", "drop"] = Field(
        "block", description="What changes do while that queue is full: block, or drop (go on, and be counted)."
    )
    audit_calls: bool = Field(default=False, description="Audit every call of an agent, not only refused ones.")
    access_log: bool = Field(default=True, description="Log a line for every call.")
    json_logs: bool = Field(default=False, description="Log JSON lines rather than text for people.")
    log_texts: bool = Field(
        default=False, description="Log the texts of unexpected exceptions, too, which may quote payloads."
    )

    @field_validator(
        "labels",
        "agent",
        "administrators",
        "mcp_hosts",
        "http_cors_origins",
        "http_trusted_proxies",
        "ops",
        "ops_commands",
        "ops_hosts",
        "ops_git",
        "ops_stores",
        mode="before",
    )
    @classmethod
    def _listed(cls, several: object) -> object:
        return several.split(",") if isinstance(several, str) else several

    @field_validator("postgres_url", "redis_url", "mesh_passphrase", "ops_databases", "ops_webhooks", "trace_headers")
    @classmethod
    def _fetched(cls, said: SecretStr) -> SecretStr:
        return SecretStr(secret(said.get_secret_value()))

    @field_validator("administrators")
    @classmethod
    def _principals(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not WRITTEN.fullmatch(name):
                raise ValueError(f"{name!r} must look like person:NAME, agent:NAME or node:NAME")
        return names

    @field_validator("http_cors_origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} must look like https://host or https://host:port, in lower case")
        return origins

    @field_validator("http_trusted_proxies")
    @classmethod
    def _networks(cls, places: tuple[str, ...]) -> tuple[str, ...]:
        for place in places:
            ipaddress.ip_network(place)  # its ValueError says what is wrong
        return places

    @field_validator("labels")
    @classmethod
    def _labelled(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        for label in labels:
            if not LABEL.fullmatch(label):
                raise ValueError(f"{label!r} must look like name=value")
        return labels

    @field_validator("data_dir")
    @classmethod
    def _anchored(cls, directory: Path) -> Path:
        return directory.expanduser().absolute()

    @field_validator("ops_workspace")
    @classmethod
    def _somewhere(cls, directory: Path | None) -> Path | None:
        return directory and directory.expanduser().absolute()

    @field_validator("node_id")
    @classmethod
    def _named(cls, name: str) -> str:
        if name and not NAME.fullmatch(name):
            raise ValueError("must be 1 to 63 lower-case letters, digits, '-', '_' or '.', beginning with a letter")
        return name

    @field_validator("trust_domain")
    @classmethod
    def _domain(cls, name: str) -> str:
        if not DOMAIN.fullmatch(name):
            raise ValueError("must be lower-case letters, digits, '.', '-' or '_'")
        return name

    @model_validator(mode="after")
    def _paired(self) -> Self:
        for together in (("tls_cert", "tls_key"), ("peer_cert", "peer_key", "peer_ca")):
            missing = [name for name in together if getattr(self, name) is None]
            if missing and len(missing) < len(together):
                raise SettingInvalid(missing[0], f"is needed beside {', '.join(set(together) - {*missing})}")
        if self.tls_client_ca and not self.tls_cert:
            raise SettingInvalid("tls_cert", "is needed beside tls_client_ca")
        return self

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if self.http_tls == "on" and self.tls_cert is None:
            raise SettingInvalid("tls_cert", "is needed beside http_tls")
        for name, secured in (("host", self.tls_cert is not None), ("http_host", self.http_secured)):
            address = getattr(self, name)
            if not (is_loopback(address) or secured or self._confirmed(address)):
                how = "give tls_cert and tls_key, or say" if self.tls_cert is None else "leave http_tls at auto, or say"
                why = "is no loopback address: whoever reaches it could read along"
                raise SettingInvalid(
                    name, f"{address!r} {why}; {how} --insecure-bind --insecure-bind-confirm {address}, both"
                )
        return self

    @property
    def http_secured(self) -> bool:
        """Whether HTTP is served by TLS."""
        if self.tls_cert is None or self.http_tls != "auto":
            return self.http_tls == "on"
        return not is_loopback(self.http_host) and not self._confirmed(self.http_host)

    def _confirmed(self, address: str) -> bool:
        """Whether somebody asked twice to listen there without TLS."""
        return self.insecure_bind and self.insecure_bind_confirm == address

    @property
    def reflects_openly(self) -> bool:
        """Whether reflection needs no key."""
        return self.open_reflection or is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address; a name other than localhost may be anywhere."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
