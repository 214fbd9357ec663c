"""The standard services: health per service and overall, reflection under both of its names, channelz."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_channelz.v1 import _async as channelz
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
CHANNELZ = channelz_pb2.DESCRIPTOR.services_by_name["Channelz"].full_name
REFLECTION_V1ALPHA = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"].full_name
REFLECTION_V1 = "grpc.reflection.v1.ServerReflection"
Register = Callable[[grpc.aio.Server], None]


class Health:
    """The gRPC health of every service and of the node as a whole (the empty name).

    Health itself serves as long as it answers: probes that ask whether a process is alive ask for that.
    """

    def __init__(self, services: Sequence[str]) -> None:
        self._names = ("", *services)
        self._servicer = health.aio.HealthServicer()

    async def report(self, serving: bool, away: Iterable[str] = ()) -> None:  # noqa: FBT001 - it reads as a sentence
        """Say whether the node serves; services named in `away` do not."""
        status = health_pb2.HealthCheckResponse
        absent = set(away)
        await self._servicer.set(HEALTH, status.SERVING)
        for name in self._names:
            served = serving and name not in absent
            await self._servicer.set(name, status.SERVING if served else status.NOT_SERVING)

    def register(self, server: grpc.aio.Server) -> None:
        """Add the health service to a server."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)


def standard_services(health: Health, names: Sequence[str]) -> Sequence[Register]:
    """What adds each standard service to a server; `names` are our own services, for reflection to list."""
    return (health.register, _reflection((*names, HEALTH, CHANNELZ, REFLECTION_V1ALPHA, _reflection_v1())), _channelz)


def _channelz(server: grpc.aio.Server) -> None:
    channelz_pb2_grpc.add_ChannelzServicer_to_server(channelz.ChannelzServicer(), server)


def _reflection(listed: Sequence[str]) -> Register:
    """Both versions have the same messages on the wire, so that one servicer answers under both names."""
    methods = {
        "ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(
            reflection.aio.ReflectionServicer(listed).ServerReflectionInfo,
            request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
            response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
        )
    }

    def register(server: grpc.aio.Server) -> None:
        for name in (REFLECTION_V1ALPHA, REFLECTION_V1):
            server.add_registered_method_handlers(name, methods)

    return register


def _reflection_v1() -> str:
    """Describe the v1 service to reflection itself: the v1alpha file under the v1 package."""
    file = descriptor_pb2.FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(file)
    file.name, file.package = "grpc/reflection/v1/reflection.proto", "grpc.reflection.v1"
    fields = [field for message in file.message_type for field in message.field if field.type_name]
    for field in fields:
        field.type_name = field.type_name.replace(".v1alpha.", ".v1.")
    for method in file.service[0].method:
        method.input_type = method.input_type.replace(".v1alpha.", ".v1.")
        method.output_type = method.output_type.replace(".v1alpha.", ".v1.")
    descriptor_pool.Default().Add(file)
    return REFLECTION_V1
