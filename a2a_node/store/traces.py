"""Spans of what calls ask the stores, by OpenTelemetry's own instrumentation: statements without their values.

It is put on one engine and one client, and not on their libraries, so that nothing of an agent's in the same process is
touched. Without tracing it is not imported.
"""

from __future__ import annotations

from opentelemetry.trace import TracerProvider
from redis.asyncio.client import Redis
from sqlalchemy.ext.asyncio.engine import AsyncEngine


def trace_postgres(engine: AsyncEngine, provider: TracerProvider) -> None:
    """Have an engine tell of its statements."""
    from opentelemetry.instrumentation.sqlalchemy.engine import EngineTracer  # noqa: PLC0415 - only where one traces
    from opentelemetry.metrics import NoOpMeter  # noqa: PLC0415 - as above

    pools = NoOpMeter("a2a_node").create_up_down_counter("db.client.connections.usage")  # counted by ourselves
    EngineTracer(provider.get_tracer("a2a_node.postgres"), engine.sync_engine, pools)  # type: ignore[no-untyped-call]


def trace_redis(client: Redis, provider: TracerProvider) -> None:
    """Have a client tell of its commands."""
    from opentelemetry.instrumentation.redis import RedisInstrumentor  # noqa: PLC0415 - only where one traces

    RedisInstrumentor.instrument_client(client, provider)
