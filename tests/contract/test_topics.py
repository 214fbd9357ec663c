"""What every store of topics promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from a2a_node.model.errors import StoreUnavailable, TooManySubscribers
from a2a_node.model.payload import TEXT, Payload
from a2a_node.model.state import Gap, Message, Started, TopicEvent
from a2a_node.model.state_ports import Topics
from tests.contract.states import SUBSCRIBERS, House

PATIENCE = 10.0  # seconds; a busy machine is no reason to fail
KEPT = 1000


@pytest.fixture
def topics(state_house: House) -> Topics:
    """Topics that nobody has published on."""
    return state_house.topics


@asynccontextmanager
async def following(
    topics: Topics, after: int | None = None, topic: str = "t"
) -> AsyncIterator[AsyncGenerator[TopicEvent, None]]:
    """A subscription that has not begun yet."""
    async with aclosing(topics.subscribe("n", topic, after)) as events:
        yield events


async def heard(events: AsyncGenerator[TopicEvent, None], count: int) -> list[object]:
    """The next events: the texts of messages, and the other events as they are."""
    async with asyncio.timeout(PATIENCE):
        found = [await anext(events) for _ in range(count)]
    return [event.payload.body if isinstance(event, Message) else event for event in found]


async def say(topics: Topics, *texts: str, topic: str = "t") -> None:
    """Publish texts, one after the other."""
    for text in texts:
        await topics.publish("n", topic, Payload(text, TEXT))


async def test_a_message_comes_as_it_was_published(topics: Topics) -> None:
    """Its body, encoding, media type, id and time are what the publisher was told."""
    async with following(topics) as events:
        assert await heard(events, 1) == [Started(0)]
        published = await topics.publish("n", "t", Payload(b"\x00\xff", "image/png"))
        assert await anext(events) == published
        assert published.id == 1


async def test_messages_come_once_and_in_order(topics: Topics) -> None:
    """Whatever is published while somebody listens is heard, in the order of the ids."""
    texts = [str(number) for number in range(200)]
    async with following(topics) as events:
        await heard(events, 1)
        _, said = await asyncio.gather(say(topics, *texts), heard(events, len(texts)))
    assert said == texts


async def test_ids_are_given_once_however_many_publish(topics: Topics) -> None:
    """Ids count from 1 without holes, also when many publish at once."""
    sent = await asyncio.gather(*(topics.publish("n", "t", Payload({"n": number})) for number in range(50)))
    assert sorted(message.id for message in sent) == list(range(1, 51))
    async with following(topics, 0) as events:
        await heard(events, 1)
        assert [await anext(events) for _ in range(50)] == sorted(sent, key=lambda message: message.id)


async def test_a_subscription_begins_with_what_comes_next(topics: Topics) -> None:
    """What was published before is not heard, and the place is told."""
    await say(topics, "a", "b")
    async with following(topics) as events:
        assert await heard(events, 1) == [Started(2)]
        await say(topics, "c")
        assert await heard(events, 1) == ["c"]


async def test_a_subscription_continues_after_an_id(topics: Topics) -> None:
    """What was missed comes first, then what follows."""
    await say(topics, "a", "b", "c")
    async with following(topics, 1) as events:
        assert await heard(events, 3) == [Started(1), "b", "c"]
        await say(topics, "d")
        assert await heard(events, 1) == ["d"]


async def test_every_subscriber_hears_every_message(topics: Topics) -> None:
    """Those who listen from now on and those who catch up do not disturb each other."""
    await say(topics, "a")
    async with following(topics) as late, following(topics, 0) as early:
        assert await heard(late, 1) == [Started(1)]
        await say(topics, "b", "c")
        assert await heard(early, 4) == [Started(0), "a", "b", "c"]
        assert await heard(late, 2) == ["b", "c"]


async def test_topics_do_not_mix(topics: Topics) -> None:
    """A topic has its own ids and its own listeners, whatever characters its name has."""
    async with following(topics, 0, "}a{") as events:
        await say(topics, "other", topic="}a")
        await say(topics, "mine", topic="}a{")
        assert await heard(events, 2) == [Started(0), "mine"]


async def test_what_is_no_longer_kept_is_announced(topics: Topics) -> None:
    """Whoever comes back too late hears of a gap, then of all that is kept."""
    await say(topics, *map(str, range(1, KEPT + 201)))
    async with following(topics, 5) as events:
        started, gap = await heard(events, 2)
        assert started == Started(5)
        assert isinstance(gap, Gap)
        assert gap.first == 6
        assert 6 <= gap.last <= 200
        rest = await heard(events, KEPT + 200 - gap.last)
    assert rest == [str(number) for number in range(gap.last + 1, KEPT + 201)]


async def test_the_oldest_that_is_kept_is_no_gap(topics: Topics) -> None:
    """Whoever asks for all that there is hears from where it begins."""
    await say(topics, *map(str, range(1, KEPT + 201)))
    async with following(topics, 0) as events:
        started, first = await heard(events, 2)
    assert isinstance(started, Started)
    assert 1 <= started.after <= 200
    assert first == str(started.after + 1)


async def test_a_slow_subscriber_loses_nothing_silently(topics: Topics) -> None:
    """It reads on from where it is when it comes back, and hears of what was trimmed meanwhile."""
    async with following(topics) as events:
        await heard(events, 1)
        await say(topics, "0")
        assert await heard(events, 1) == ["0"]
        await say(topics, *map(str, range(1, KEPT + 1200)))
        seen, last = 0, 1
        while last < KEPT + 1200:
            event = await anext(events)
            assert isinstance(event, Gap | Message)
            assert last + 1 == (event.first if isinstance(event, Gap) else event.id)
            last = event.last if isinstance(event, Gap) else event.id
            seen += isinstance(event, Message)
        assert seen >= KEPT


async def test_an_idle_topic_forgets_its_messages_but_not_its_place(state_house: House, topics: Topics) -> None:
    """An hour after the last message they are gone, and ids count on."""
    await say(topics, "a", "b", "c")
    await state_house.elapse(3601)
    async with following(topics, 1) as events:
        assert await heard(events, 2) == [Started(1), Gap(2, 3)]
        await say(topics, "d")
        assert await heard(events, 1) == ["d"]


async def test_a_topic_that_was_lost_begins_again(state_house: House, topics: Topics) -> None:
    """Listeners hear that ids count from 1 again, those who come back as well, and then every message."""
    await say(topics, "a", "b")
    async with following(topics) as events:
        assert await heard(events, 1) == [Started(2)]
        await state_house.empty()
        await say(topics, "c")
        assert await heard(events, 2) == [Started(0), "c"]
    async with following(topics, 2) as events:
        assert await heard(events, 2) == [Started(0), "c"]


async def test_a_node_serves_so_many_subscribers_and_no_more(topics: Topics) -> None:
    """One too many is refused, until another has left."""
    streams = [topics.subscribe("n", str(number)) for number in range(SUBSCRIBERS)]
    for stream in streams:
        await anext(stream)
    with pytest.raises(TooManySubscribers):
        await anext(topics.subscribe("n", "t"))
    await streams.pop().aclose()
    async with following(topics) as events:
        assert await heard(events, 1) == [Started(0)]
    for stream in streams:
        await stream.aclose()


async def test_a_cancelled_subscription_ends_at_once(topics: Topics) -> None:
    """Its place is free for another."""
    for _ in range(SUBSCRIBERS + 1):
        async with following(topics) as events:
            await heard(events, 1)
            waiting = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting


async def test_listeners_are_cut_off_when_redis_goes_away(state_house: House, topics: Topics) -> None:
    """They hear so, publishers too; when it is back, a subscription continues where it was."""
    async with following(topics) as events:
        await heard(events, 1)
        await say(topics, "a")
        assert await heard(events, 1) == ["a"]
        await state_house.lose()
        with pytest.raises(StoreUnavailable):
            await heard(events, 1)
    with pytest.raises(StoreUnavailable):
        await say(topics, "b")
    with pytest.raises(StoreUnavailable):
        await anext(topics.subscribe("n", "t"))
    await state_house.recover()
    await say(topics, "c")
    async with following(topics, 1) as events:
        assert await heard(events, 2) == [Started(1), "c"]
