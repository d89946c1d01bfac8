"""The feature table of features.ts with nats.py, over WebSocket. Run by foreign-clients.test.ts."""

import asyncio
import json
import os
import secrets
import sys

import nats
from nats.errors import NoRespondersError
from nats.js.api import AckPolicy, ConsumerConfig, KeyValueConfig

CONFIG = json.loads(os.environ["CONFIG"])


def credentials(given):
    names = {"token": "token", "user": "user", "pass": "password"}
    return {names[name]: value for name, value in given.items() if name in names}


class Context:
    def __init__(self):
        self.token = "t" + secrets.token_hex(6)
        self.connections = []
        self.errors = []

    async def connect(self, given=CONFIG["full"], url=CONFIG["url"], **options):
        async def on_error(error):
            self.errors.append(str(error))

        connection = await nats.connect(
            url, error_cb=on_error, max_reconnect_attempts=-1, reconnect_time_wait=0.05, **credentials(given), **options
        )
        self.connections.append(connection)
        return connection

    async def peer(self):
        return await self.connect(CONFIG["peer"], CONFIG["peer"]["servers"])

    async def close(self):
        for connection in self.connections:
            if not connection.is_closed:
                await connection.close()


def gather(seen):
    async def callback(message):
        seen.append(message)

    return callback


def texts(messages):
    return [message.data.decode() for message in messages]


async def eventually(test, what, seconds=10):
    for _ in range(int(seconds / 0.02)):
        if test():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"waited in vain for {what}")


def control(what):
    """Asks the test to do something to the endpoint, and waits until it is done."""
    print(json.dumps({"do": what}), flush=True)
    return asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


async def settle(connection):
    """The client may send the PING of a flush before a SUB that it holds: the second flush comes after it."""
    await connection.flush()
    await connection.flush()


def equal(actual, expected):
    if actual != expected:
        raise AssertionError(f"expected {expected!r}, got {actual!r}")


def numbers(count):
    return [str(number) for number in range(count)]


async def respond(connection, subject, answers, queue=""):
    async def answer(message):
        for prefix in answers:
            await connection.publish(message.reply, f"{prefix} {message.data.decode()}".encode())

    await connection.subscribe(subject, queue=queue, cb=answer)
    await settle(connection)


async def connect(t):
    connection = await t.connect()
    await settle(connection)
    try:
        await nats.connect(CONFIG["url"], allow_reconnect=False, connect_timeout=5, **credentials(CONFIG["wrong"]))
    except Exception as error:
        assert "authorization" in str(error).lower(), error
    else:
        raise AssertionError("wrong credentials are accepted")


async def publish(t):
    connection, other, seen = await t.connect(), await t.peer(), []
    await other.subscribe(t.token, cb=gather(seen))
    await settle(other)
    for number in numbers(100):
        await connection.publish(t.token, number.encode())
    await connection.publish(t.token, bytes([0, 255, 13, 10, 0]))
    await eventually(lambda: len(seen) == 101, "101 messages")
    equal(texts(seen[:100]), numbers(100))
    equal(seen[100].data, bytes([0, 255, 13, 10, 0]))


async def subscribe(t):
    connection, other, seen = await t.connect(), await t.peer(), []
    await connection.subscribe(t.token, cb=gather(seen))
    await settle(connection)
    for number in numbers(100):
        await other.publish(t.token, number.encode())
    await eventually(lambda: len(seen) == 100, "100 messages")
    equal(texts(seen), numbers(100))


async def wildcards(t):
    connection, other, one, rest = await t.connect(), await t.peer(), [], []
    await connection.subscribe(f"{t.token}.*.x", cb=gather(one))
    await connection.subscribe(f"{t.token}.>", cb=gather(rest))
    await settle(connection)
    for subject in ["a", "a.x", "b.x", "a.x.y"]:
        await other.publish(f"{t.token}.{subject}", subject.encode())
    await eventually(lambda: len(rest) == 4 and len(one) == 2, "4 messages")
    equal([texts(rest), texts(one)], [["a", "a.x", "b.x", "a.x.y"], ["a.x", "b.x"]])


async def queue_groups(t):
    members = [await t.connect(), await t.connect(), await t.peer()]
    seen = [[] for _ in members]
    for connection, own in zip(members, seen):
        await connection.subscribe(t.token, queue="q", cb=gather(own))
        await settle(connection)
    publisher = await t.peer()
    for number in numbers(300):
        await publisher.publish(t.token, number.encode())
    await eventually(lambda: sum(map(len, seen)) >= 300, "300 messages")
    equal(sorted(texts(sum(seen, [])), key=int), numbers(300))
    assert all(seen), "a member has no message"


async def request(t):
    connection, other = await t.connect(), await t.peer()
    await respond(other, f"{t.token}.peer", ["peer"])
    await respond(connection, f"{t.token}.client", ["client"])
    for number in numbers(20):
        equal((await connection.request(f"{t.token}.peer", number.encode())).data.decode(), f"peer {number}")
        equal((await other.request(f"{t.token}.client", number.encode())).data.decode(), f"client {number}")
        equal((await connection.request(f"{t.token}.client", number.encode())).data.decode(), f"client {number}")


async def request_many(t):
    connection, other, seen = await t.connect(), await t.peer(), []
    await respond(other, t.token, ["1", "2", "3"])
    inbox = connection.new_inbox()
    await connection.subscribe(inbox, cb=gather(seen))
    await connection.publish(t.token, b"x", reply=inbox)
    await eventually(lambda: len(seen) == 3, "3 answers")
    equal(texts(seen), ["1 x", "2 x", "3 x"])


async def no_responders(t):
    connection = await t.connect()
    try:
        await connection.request(t.token, b"x", timeout=3)
    except NoRespondersError:
        return
    raise AssertionError("no error")


async def headers(t):
    connection, other, seen = await t.connect(), await t.peer(), []
    await other.subscribe(t.token, cb=gather(seen))
    await settle(other)
    await connection.publish(t.token, b"x", headers={"Name": "a", "Other": "b: c"})
    await eventually(lambda: seen, "a message")
    equal(dict(seen[0].headers), {"Name": "a", "Other": "b: c"})


async def auto_unsubscribe(t):
    connection, other, seen, more = await t.connect(), await t.peer(), [], []
    limited = await connection.subscribe(t.token, cb=gather(seen))
    await limited.unsubscribe(3)
    await connection.subscribe(t.token, cb=gather(more))
    await settle(connection)
    for number in numbers(6):
        await other.publish(t.token, number.encode())
    await eventually(lambda: len(more) == 6, "6 messages")
    equal(texts(seen), numbers(3))


async def drain(t):
    connection, other, left, staying = await t.connect(), await t.peer(), [], []
    leaving = await connection.subscribe(f"{t.token}.q", queue="q", cb=gather(left))
    await other.subscribe(f"{t.token}.q", queue="q", cb=gather(staying))
    await settle(connection)
    await settle(other)
    publisher = await t.peer()
    for number in numbers(500):
        await publisher.publish(f"{t.token}.q", number.encode())
    await settle(publisher)
    await leaving.drain()
    # The client takes its subscription for drained before the server has its UNSUB.
    await settle(connection)
    for number in numbers(1000)[500:]:
        await publisher.publish(f"{t.token}.q", number.encode())
    await settle(publisher)
    await eventually(lambda: len(left) + len(staying) >= 1000, "1,000 messages")
    equal(sorted(texts(left + staying), key=int), numbers(1000))
    arrived = []
    await other.subscribe(f"{t.token}.out", cb=gather(arrived))
    await settle(other)
    for number in numbers(100):
        await connection.publish(f"{t.token}.out", number.encode())
    await connection.drain()
    await eventually(lambda: len(arrived) == 100, "100 messages")


async def flush(t):
    connection, other = await t.connect(), await t.peer()
    for number in numbers(20):
        seen = []
        await connection.subscribe(f"{t.token}.{number}", cb=gather(seen))
        await settle(connection)
        await other.publish(f"{t.token}.{number}", b"x")
        await eventually(lambda: seen, "a message")


def flagged(**options):
    async def run(t):
        connection, other, seen = await t.connect(**options), await t.peer(), []
        await connection.subscribe(t.token, cb=gather(seen))
        await respond(other, f"{t.token}.ask", ["yes"])
        await settle(connection)
        for number in numbers(3):
            await connection.publish(t.token, number.encode())
        equal((await connection.request(f"{t.token}.ask", b"?")).data.decode(), "yes ?")
        await eventually(lambda: len(seen) == 3, "3 messages")

    return run


async def no_echo(t):
    connection, other, own, theirs = await t.connect(no_echo=True), await t.peer(), [], []
    await connection.subscribe(t.token, cb=gather(own))
    await other.subscribe(t.token, cb=gather(theirs))
    await settle(connection)
    await settle(other)
    await connection.publish(t.token, b"mine")
    await eventually(lambda: theirs, "a message")
    await other.publish(t.token, b"theirs")
    await eventually(lambda: own, "a message")
    await settle(connection)
    equal(texts(own), ["theirs"])


async def payload_limits(t):
    connection, other, seen = await t.connect(), await t.peer(), []
    await other.subscribe(t.token, cb=gather(seen))
    await settle(other)
    await connection.publish(t.token, bytes(connection.max_payload))
    await eventually(lambda: seen, "a message")
    try:
        await connection.publish(t.token, bytes(connection.max_payload + 1))
    except nats.errors.MaxPayloadError:
        return
    raise AssertionError("no error")


async def permissions(t):
    connection, other, seen = await t.connect(CONFIG["limited"]), await t.peer(), []
    await other.subscribe("ok.a", cb=gather(seen))
    await settle(other)
    await connection.subscribe("no", cb=gather([]))
    await connection.publish("no", b"x")
    await connection.publish("no.rate.*", b"x")
    await connection.publish("ok.a", b"x")
    await eventually(lambda: seen, "a message")
    await settle(connection)
    assert connection.is_connected and any("permissions violation" in error.lower() for error in t.errors), t.errors


async def reconnect(t):
    connection, other, seen = await t.connect(), await t.peer(), []
    await connection.subscribe(t.token, cb=gather(seen))
    await settle(connection)
    for number in numbers(3):
        before = connection.stats["reconnects"]
        await control("cut")
        await eventually(lambda: connection.stats["reconnects"] > before and connection.is_connected, "a reconnect")
        await settle(connection)
        await other.publish(t.token, number.encode())
        await eventually(lambda: len(seen) == int(number) + 1, "a message")
    equal(texts(seen), numbers(3))


async def restart(t):
    connection, seen = await t.connect(), []
    await connection.subscribe(t.token, cb=gather(seen))
    await settle(connection)
    await control("restart")
    publisher = await t.connect()
    for _ in range(200):
        await publisher.publish(t.token, b"x")
        await settle(publisher)
        if seen:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the subscription is not live again")


async def key_value(t):
    connection = await t.connect()
    bucket = await connection.jetstream().create_key_value(KeyValueConfig(bucket=t.token, history=5))
    watcher, seen = await bucket.watchall(), []
    for key, value in [("a.b", "1"), ("a.b", "2"), ("c", "3")]:
        await bucket.put(key, value.encode())
    equal((await bucket.get("a.b")).value, b"2")
    equal(sorted(await bucket.keys()), ["a.b", "c"])
    equal([entry.value for entry in await bucket.history("a.b")], [b"1", b"2"])
    await bucket.delete("c")
    equal(await bucket.keys(), ["a.b"])
    while len(seen) < 4:
        entry = await watcher.updates(timeout=5)
        if entry:
            seen.append((entry.key, entry.value or b""))
    equal(seen, [("a.b", b"1"), ("a.b", b"2"), ("c", b"3"), ("c", b"")])


async def object_store(t):
    connection = await t.connect()
    store, data = await connection.jetstream().create_object_store(t.token), secrets.token_bytes(300_000)
    await store.put("big", data)
    await store.put("small", b"hi")
    equal((await store.get("big")).data, data)
    equal(sorted(info.name for info in await store.list()), ["big", "small"])


async def stream(t):
    connection = await t.connect()
    context = connection.jetstream()
    await context.add_stream(name=t.token, subjects=[f"{t.token}.>"])
    for number in numbers(10):
        await context.publish(f"{t.token}.a", number.encode())
    return context


async def pull_consumer(t):
    context = await stream(t)
    subscription = await context.pull_subscribe(f"{t.token}.*", durable="d", stream=t.token)
    messages = await subscription.fetch(10, timeout=5)
    for message in messages:
        await message.ack()
    equal(texts(messages), numbers(10))


async def push_consumer(t):
    context, seen = await stream(t), []
    config = ConsumerConfig(ack_policy=AckPolicy.NONE)
    await context.subscribe(f"{t.token}.*", stream=t.token, config=config, cb=gather(seen))
    await eventually(lambda: len(seen) == 10, "10 messages")
    ordered = []
    await context.subscribe(f"{t.token}.*", stream=t.token, ordered_consumer=True, cb=gather(ordered))
    await eventually(lambda: len(ordered) == 10, "10 messages in order")
    equal([texts(seen), texts(ordered)], [numbers(10), numbers(10)])


FEATURES = {
    "connect": connect,
    "publish": publish,
    "subscribe": subscribe,
    "wildcards": wildcards,
    "queue groups": queue_groups,
    "request/reply": request,
    "request many": request_many,
    "no responders": no_responders,
    "headers": headers,
    "max and auto-unsubscribe": auto_unsubscribe,
    "drain": drain,
    "flush and ping": flush,
    "verbose": flagged(verbose=True),
    "pedantic": flagged(pedantic=True),
    "echo: false": no_echo,
    "payload limits": payload_limits,
    "permissions": permissions,
    "reconnect after a cut": reconnect,
    "restart of the server": restart,
    "key-value store": key_value,
    "object store": object_store,
    "pull consumer": pull_consumer,
    "push consumer": push_consumer,
}


async def main():
    for name, run in FEATURES.items():
        context, error = Context(), None
        try:
            await asyncio.wait_for(run(context), 30)
        except Exception as caught:
            error = f"{type(caught).__name__}: {caught}; errors of the connection: {context.errors}"
        try:
            await asyncio.wait_for(context.close(), 10)
        except Exception:
            pass
        print(json.dumps({"feature": name, "error": error}), flush=True)


asyncio.run(main())
