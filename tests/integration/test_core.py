"""The server on the C core, by real clients: every RPC ends exactly once, and none outlives the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from time import monotonic

import grpc
import pytest

from a2a_node.core import server
from a2a_node.core.rpc import Rpc
from a2a_node.core.server import Choice, Door, Method, Route, Routes, Stream, Unary, serving

Client = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
PATIENCE = 10.0
HERE = Door("127.0.0.1:0")


async def refuse(rpc: Rpc) -> None:
    """Serve what nobody serves."""
    rpc.end(12, f"no {rpc.method}")


@dataclass(frozen=True, slots=True)
class House:
    """A channel to a server."""

    channel: grpc.aio.Channel

    async def call(self, method: str, message: bytes = b"") -> bytes:
        """One unary RPC."""
        rpc: Client = self.channel.unary_unary(method, None, None)
        return await rpc(message, timeout=PATIENCE)

    def talk(self, method: str) -> grpc.aio.StreamStreamCall[bytes, bytes]:
        """One conversation."""
        rpc: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = self.channel.stream_stream(method, None, None)
        return rpc(timeout=PATIENCE)


@asynccontextmanager
async def house(methods: Mapping[str, Route], grace: float = 0.0) -> AsyncIterator[House]:
    """A server of those methods."""
    async with (
        serving([HERE], Routes(methods, Stream(refuse)), grace=grace) as (port,),
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        yield House(channel)


async def echo(rpc: Rpc, message: bytes) -> None:
    """Answer at once."""
    rpc.end(message=message)


async def test_a_unary_call_is_answered_with_and_without_a_pause() -> None:
    """What ends at its first step, and what does not."""

    async def later(rpc: Rpc, message: bytes) -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        rpc.end(message=message)

    async with house({"/a/Now": Unary(echo), "/a/Later": Unary(later)}) as here:
        assert await here.call("/a/Now", b"1") == b"1"
        assert await here.call("/a/Later", b"2") == b"2"


async def test_a_conversation_keeps_its_order_both_ways() -> None:
    """Until the client has said all."""

    async def answer(rpc: Rpc) -> None:
        while (message := await rpc.receive()) is not None:
            await rpc.send(message.upper())
        assert await rpc.receive() is None

    async with house({"/a/Talk": Stream(answer)}) as here:
        talk = here.talk("/a/Talk")
        for word in (b"a", b"b", b"c"):
            await talk.write(word)
        await talk.done_writing()
        assert [word async for word in talk] == [b"A", b"B", b"C"]
        assert await talk.code() is grpc.StatusCode.OK


async def test_senders_take_turns() -> None:
    """Two tasks may write to one stream."""

    async def flood(rpc: Rpc) -> None:
        await asyncio.gather(*(rpc.send(b"x" * 100_000) for _ in range(20)))

    async with house({"/a/Flood": Stream(flood)}) as here:
        assert len([word async for word in here.talk("/a/Flood")]) == 20


async def test_what_goes_with_the_end_comes_before_it_and_in_order() -> None:
    """Whether it was the last after all or not, and however the RPC ends."""

    async def tell(rpc: Rpc) -> None:
        await rpc.send(b"a")
        await rpc.send_last(b"b")
        await rpc.send(b"c")
        await rpc.send_last(b"d")
        await rpc.send_last(b"e")
        await rpc.send_last(b"f")
        if await rpc.receive() == b"fail":
            rpc.end(5, "not found")

    async with house({"/a/Tell": Stream(tell)}) as here:
        for word, code in ((b"", grpc.StatusCode.OK), (b"fail", grpc.StatusCode.NOT_FOUND)):
            talk = here.talk("/a/Tell")
            await talk.write(word)
            assert [await talk.read() for _ in range(6)] == [b"a", b"b", b"c", b"d", b"e", b"f"]
            assert await talk.code() is code


async def test_an_unknown_method_is_served_by_the_others_route() -> None:
    """By its name."""
    async with house({}) as here:
        with pytest.raises(grpc.aio.AioRpcError, match="no /a/Nothing"):
            await here.call("/a/Nothing")


async def test_a_failure_nobody_named_leaves_without_its_text() -> None:
    """INTERNAL; what returns without an end is OK."""

    async def broken(_: Rpc, __: bytes) -> None:
        raise ValueError("hunter2")

    async def silent(_: Rpc) -> None:
        """Return without a word."""

    async with house({"/a/Broken": Unary(broken), "/a/Silent": Stream(silent)}) as here:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await here.call("/a/Broken")
        assert (refused.value.code(), refused.value.details()) == (grpc.StatusCode.INTERNAL, "internal error")
        assert await here.talk("/a/Silent").code() is grpc.StatusCode.OK


async def test_a_client_that_goes_away_cancels_its_task() -> None:
    """Whether it is a unary call or a stream, and whatever it waits for; its messages may end a moment before."""
    begun, ended = asyncio.Semaphore(0), asyncio.Semaphore(0)

    async def wait(rpc: Rpc, _: bytes = b"") -> None:
        begun.release()
        try:
            if rpc.method == "/a/Reading":
                await rpc.receive()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.release()
            raise

    methods: dict[str, Method] = {"/a/Unary": Unary(wait), "/a/Stream": Stream(wait), "/a/Reading": Stream(wait)}
    async with house(methods) as here, asyncio.timeout(PATIENCE):
        for method in methods:
            if method == "/a/Unary":
                unary = asyncio.ensure_future(here.call(method))
                await begun.acquire()
                unary.cancel()
            else:
                talk = here.talk(method)
                await begun.acquire()
                talk.cancel()
            await ended.acquire()


async def test_a_writer_hears_that_its_reader_is_gone() -> None:
    """Its next message ends it."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def write(rpc: Rpc) -> None:
        begun.set()
        try:
            while True:
                await rpc.send(b"x" * 100_000)
        finally:
            ended.set()

    async with house({"/a/Write": Stream(write)}) as here, asyncio.timeout(PATIENCE):
        talk = here.talk("/a/Write")
        await begun.wait()
        talk.cancel()
        await ended.wait()


async def test_a_deadline_is_told_and_cancels_the_task() -> None:
    """Seconds that are left; None for a client without one."""
    left, begun, ended = list[float | None](), asyncio.Semaphore(0), asyncio.Semaphore(0)

    async def wait(rpc: Rpc, _: bytes) -> None:
        left.append(rpc.time_left)
        begun.release()
        try:
            await asyncio.Event().wait()
        finally:
            ended.release()

    async with house({"/a/Wait": Unary(wait)}) as here, asyncio.timeout(PATIENCE):
        rpc: Client = here.channel.unary_unary("/a/Wait", None, None)
        with pytest.raises(grpc.aio.AioRpcError, match="DEADLINE"):
            await rpc(b"", timeout=1.0)  # on a busy machine a shorter one is over before the call arrives
        await ended.acquire()
        call = rpc(b"")
        await begun.acquire()
        await begun.acquire()
        call.cancel()
        await ended.acquire()
    assert 0 <= (left[0] or 0) < 2.0
    assert left[1] is None


async def test_the_end_of_the_server_lets_calls_end_in_its_grace() -> None:
    """The one under way is answered after the block has ended."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def wait(rpc: Rpc, message: bytes) -> None:
        begun.set()
        await go.wait()
        rpc.end(message=message)

    async with AsyncExitStack() as later:
        async with serving([HERE], Routes({"/a/Wait": Unary(wait)}, Stream(refuse)), grace=PATIENCE) as (port,):
            channel = await later.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
            rpc: Client = channel.unary_unary("/a/Wait", None, None)
            call = asyncio.ensure_future(rpc(b"1", timeout=PATIENCE))
            await begun.wait()
            asyncio.get_running_loop().call_soon(asyncio.get_running_loop().call_soon, go.set)
        assert await call == b"1"


async def test_the_end_of_the_server_cancels_what_does_not_end() -> None:
    """When its grace is over."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def wait(_: Rpc, __: bytes) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with house({"/a/Wait": Unary(wait)}, grace=0.05) as here:
        call = asyncio.ensure_future(here.call("/a/Wait"))
        await begun.wait()
        call.add_done_callback(lambda _: None)
    assert ended.is_set()
    assert isinstance((await asyncio.gather(call, return_exceptions=True))[0], (grpc.RpcError, asyncio.CancelledError))


async def test_a_task_that_refuses_to_end_does_not_hold_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is let go of, and whatever it does later touches nothing."""
    monkeypatch.setattr(server, "STUBBORN", 0.05)
    begun, go, refused = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def stubborn(rpc: Rpc) -> None:
        begun.set()
        while not go.is_set():
            try:
                await go.wait()
            except asyncio.CancelledError:
                continue
        try:
            await rpc.send(b"too late")
        except asyncio.CancelledError:
            refused.set()
            raise

    left_at = 0.0
    async with asyncio.timeout(PATIENCE):
        async with house({"/a/Stubborn": Stream(stubborn)}) as here:
            talk = here.talk("/a/Stubborn")
            await begun.wait()
            talk.cancel()
            left_at = monotonic()
        assert monotonic() - left_at < PATIENCE / 2
        go.set()
        await refused.wait()


async def test_an_address_in_use_is_an_error_that_leaves_nothing_behind() -> None:
    """Also when another door was open by then."""
    routes = Routes({}, Stream(refuse))
    async with serving([HERE], routes) as (port,):
        with pytest.raises(OSError, match=f"127.0.0.1:{port} cannot be listened on"):
            async with serving([HERE, Door(f"127.0.0.1:{port}")], routes):
                pass


async def test_a_burst_beyond_what_is_asked_for_in_advance_is_answered() -> None:
    """Every one of them."""
    async with house({"/a/Now": Unary(echo)}) as here:
        answers = await asyncio.gather(*(here.call("/a/Now", b"%d" % number) for number in range(3 * server.WAITING)))
        assert answers == [b"%d" % number for number in range(3 * server.WAITING)]


async def test_what_is_said_first_goes_before_any_message() -> None:
    """Names that come twice, and bytes; also where the end comes next."""
    first = (("a", "1"), ("a", "2"), ("b-bin", b"\0"))
    go_on = asyncio.Event()

    async def serve(rpc: Rpc) -> None:
        await rpc.begin(first)
        await go_on.wait()
        if rpc.method == "/a/More":
            await rpc.send(b"message")
        rpc.end(trailing=(("c-bin", b"\xff"),))

    async with house({"/a/More": Stream(serve), "/a/End": Stream(serve)}) as here, asyncio.timeout(PATIENCE):
        for method, messages in (("/a/More", [b"message"]), ("/a/End", [])):
            go_on.clear()
            talk = here.talk(method)
            assert tuple(await talk.initial_metadata()) == first
            go_on.set()
            assert [message async for message in talk] == messages
            assert tuple(await talk.trailing_metadata()) == (("c-bin", b"\xff"),)


@pytest.mark.parametrize(("answers", "plain"), [(True, True), (False, True), (True, False)])
async def test_who_leaves_never_seems_to_have_said_all(*, answers: bool, plain: bool) -> None:
    """A stream of messages that was broken off is cancelled, and does not end, whether anything was answered or not."""
    seen: list[str] = []
    taken = asyncio.Semaphore(0)

    async def take(rpc: Rpc) -> None:
        try:
            while await rpc.receive() is not None:
                if answers:
                    await rpc.send(b"")
                taken.release()
            seen.append("all")
        except asyncio.CancelledError:
            seen.append("left")
            raise

    async with house({"/a/Take": Stream(take, plain=plain)}) as here, asyncio.timeout(PATIENCE):
        for number in range(100):
            talk = here.talk("/a/Take")
            for _ in range(2):
                await talk.write(b"x")
                await taken.acquire()
            talk.cancel()
            while len(seen) == number:  # noqa: ASYNC110 - the task tells nobody
                await asyncio.sleep(0)
        assert set(seen) == {"left"}


async def test_who_has_said_all_is_told_from_who_has_left_without_a_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing was answered before; and what is answered then comes as ever."""
    monkeypatch.setattr("a2a_node.core.rpc.PARTING", PATIENCE)

    async def count(rpc: Rpc) -> None:
        said = 0
        while await rpc.receive() is not None:
            said += 1
        await rpc.send(str(said).encode())
        rpc.end(trailing=(("c", "d"),))

    async with house({"/a/Count": Stream(count, plain=True)}) as here, asyncio.timeout(PATIENCE / 2):
        talk = here.talk("/a/Count")
        for _ in range(2):
            await talk.write(b"x")
        await talk.done_writing()
        assert [message async for message in talk] == [b"2"]
        assert tuple(await talk.trailing_metadata()) == (("c", "d"),)


async def test_a_method_may_be_served_by_one_of_several() -> None:
    """Whom the client's metadata choose."""

    def by(word: bytes) -> Unary:
        async def serve(rpc: Rpc, _: bytes) -> None:
            rpc.end(message=word)

        return Unary(serve)

    one, two = by(b"one"), by(b"two")
    choice = Choice(lambda rpc: two if ("who", "two") in [tuple(entry) for entry in rpc.metadata] else one)
    async with house({"/a/Either": choice}) as here:
        rpc: Client = here.channel.unary_unary("/a/Either", None, None)
        assert await rpc(b"", metadata=(("who", "two"),)) == b"two"
        assert await rpc(b"") == b"one"
