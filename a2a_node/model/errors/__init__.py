"""Every failure that a user can meet, named once, where its meaning is understood.

MeshError                    anything below
├── InternalError            something unexpected; the log has the rest
├── InvalidInput             a field of the request is wrong
│   └── PageTokenInvalid
├── PayloadTooLarge, RpcNotServed
├── Unauthenticated          who is calling is not known
├── TooManyWrongKeys         nor is it looked at for now
├── agents                   AgentNotFound, AgentDisabled, CapabilityNotFound, NoInstance, AgentLost, AgentFailed,
│                            AgentRefused, AgentOwned, AgentHeld, AgentOverloaded, AgentProtocol
├── calls                    DeadlineExceeded, CallCancelled, TooManyHops, CallLoop, CallTokenInvalid, CallNotFound,
│                            CallIdTaken, BudgetExhausted, EnvelopeInvalid, IdempotencyKeyReused, StreamGap,
│                            StreamNotFound
├── grants                   PermissionDenied, GrantTooWide, GrantNotFound, RequestNotFound, RequestDecided,
│                            KeyNotFound, Frozen, FreezeNotFound
├── limits                   RateLimited
├── mesh                     NodeNotFound, InstanceNotFound, LeaseEnded, NodeDraining, StoreUnavailable,
│                            NodeUnreachable, NodeLost
├── state                    SessionNotFound, SessionExists, VersionConflict, ValueNotNumber, TooManySubscribers
├── workflows                TemplateNotFound, TemplateInvalid
└── start                    SettingInvalid, DataDirectoryBusy, StoreStartFailed, SchemaUnknown

A class carries its gRPC code, its reason (`ErrorReason` of the contract) and whether a retry can help; its message says
what to do; the variables of the message are kept beside it and travel as the metadata of `google.rpc.ErrorInfo`.
"""

from a2a_node.model.errors.agents import (
    AgentDisabled,
    AgentEnded,
    AgentFailed,
    AgentHeld,
    AgentLost,
    AgentNotEndpoint,
    AgentNotFound,
    AgentOverloaded,
    AgentOwned,
    AgentProtocol,
    AgentRefused,
    CapabilityNotFound,
    NoInstance,
)
from a2a_node.model.errors.base import MeshError, revived
from a2a_node.model.errors.calls import (
    BudgetExhausted,
    CallCancelled,
    CallIdTaken,
    CallLoop,
    CallNotFound,
    CallTokenInvalid,
    DeadlineExceeded,
    EnvelopeInvalid,
    IdempotencyKeyReused,
    StreamGap,
    StreamNotFound,
    TooManyHops,
)
from a2a_node.model.errors.grants import (
    FreezeNotFound,
    Frozen,
    GrantNotFound,
    GrantTooWide,
    KeyNotFound,
    PermissionDenied,
    RequestDecided,
    RequestNotFound,
)
from a2a_node.model.errors.limits import RateLimited
from a2a_node.model.errors.mesh import (
    InstanceNotFound,
    LeaseEnded,
    NodeDraining,
    NodeLost,
    NodeNotFound,
    NodeUnreachable,
    StoreUnavailable,
)
from a2a_node.model.errors.requests import (
    InternalError,
    InvalidInput,
    PageTokenInvalid,
    PayloadTooLarge,
    RpcNotServed,
    TooManyWrongKeys,
    Unauthenticated,
)
from a2a_node.model.errors.start import DataDirectoryBusy, SchemaUnknown, SettingInvalid, StoreStartFailed
from a2a_node.model.errors.state import (
    SessionExists,
    SessionNotFound,
    TooManySubscribers,
    ValueNotNumber,
    VersionConflict,
)
from a2a_node.model.errors.workflows import TemplateInvalid, TemplateNotFound

__all__ = [
    "AgentDisabled",
    "AgentEnded",
    "AgentFailed",
    "AgentHeld",
    "AgentLost",
    "AgentNotEndpoint",
    "AgentNotFound",
    "AgentOverloaded",
    "AgentOwned",
    "AgentProtocol",
    "AgentRefused",
    "BudgetExhausted",
    "CallCancelled",
    "CallIdTaken",
    "CallLoop",
    "CallNotFound",
    "CallTokenInvalid",
    "CapabilityNotFound",
    "DataDirectoryBusy",
    "DeadlineExceeded",
    "EnvelopeInvalid",
    "FreezeNotFound",
    "Frozen",
    "GrantNotFound",
    "GrantTooWide",
    "IdempotencyKeyReused",
    "InstanceNotFound",
    "InternalError",
    "InvalidInput",
    "KeyNotFound",
    "LeaseEnded",
    "MeshError",
    "NoInstance",
    "NodeDraining",
    "NodeLost",
    "NodeNotFound",
    "NodeUnreachable",
    "PageTokenInvalid",
    "PayloadTooLarge",
    "PermissionDenied",
    "RateLimited",
    "RequestDecided",
    "RequestNotFound",
    "RpcNotServed",
    "SchemaUnknown",
    "SessionExists",
    "SessionNotFound",
    "SettingInvalid",
    "StoreStartFailed",
    "StoreUnavailable",
    "StreamGap",
    "StreamNotFound",
    "TemplateInvalid",
    "TemplateNotFound",
    "TooManyHops",
    "TooManySubscribers",
    "TooManyWrongKeys",
    "Unauthenticated",
    "ValueNotNumber",
    "VersionConflict",
    "revived",
]
