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
├── workflows                TemplateNotFound, TemplateInvalid, RunNotFound, RunStateConflict, StepNotWaiting,
│                            ApprovalRejected, ApprovalExpired, RunExpired, RunCancelled
├── tools                    ServerNotFound, ServerExists
├── http                     PathNotFound, MethodNotAllowed, RequestMalformed, HeadersTooLarge, BodyTooLarge,
│                            RequestTooSlow, RequestBlocked, TooManyRequests, TooManyConnections, OriginRefused,
│                            UpgradeRequired
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
from a2a_node.model.errors.base import MeshError, bare, revived
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
from a2a_node.model.errors.http import (
    BodyTooLarge,
    HeadersTooLarge,
    MethodNotAllowed,
    OriginRefused,
    PathNotFound,
    RequestBlocked,
    RequestMalformed,
    RequestTooSlow,
    TooManyConnections,
    TooManyRequests,
    UpgradeRequired,
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
from a2a_node.model.errors.tools import ServerExists, ServerNotFound
from a2a_node.model.errors.workflows import (
    ApprovalExpired,
    ApprovalRejected,
    RunCancelled,
    RunExpired,
    RunNotFound,
    RunStateConflict,
    StepNotWaiting,
    TemplateInvalid,
    TemplateNotFound,
)

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
    "ApprovalExpired",
    "ApprovalRejected",
    "BodyTooLarge",
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
    "HeadersTooLarge",
    "IdempotencyKeyReused",
    "InstanceNotFound",
    "InternalError",
    "InvalidInput",
    "KeyNotFound",
    "LeaseEnded",
    "MeshError",
    "MethodNotAllowed",
    "NoInstance",
    "NodeDraining",
    "NodeLost",
    "NodeNotFound",
    "NodeUnreachable",
    "OriginRefused",
    "PageTokenInvalid",
    "PathNotFound",
    "PayloadTooLarge",
    "PermissionDenied",
    "RateLimited",
    "RequestBlocked",
    "RequestDecided",
    "RequestMalformed",
    "RequestNotFound",
    "RequestTooSlow",
    "RpcNotServed",
    "RunCancelled",
    "RunExpired",
    "RunNotFound",
    "RunStateConflict",
    "SchemaUnknown",
    "ServerExists",
    "ServerNotFound",
    "SessionExists",
    "SessionNotFound",
    "SettingInvalid",
    "StepNotWaiting",
    "StoreStartFailed",
    "StoreUnavailable",
    "StreamGap",
    "StreamNotFound",
    "TemplateInvalid",
    "TemplateNotFound",
    "TooManyConnections",
    "TooManyHops",
    "TooManyRequests",
    "TooManySubscribers",
    "TooManyWrongKeys",
    "Unauthenticated",
    "UpgradeRequired",
    "ValueNotNumber",
    "VersionConflict",
    "bare",
    "revived",
]
