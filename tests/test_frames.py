"""Messages between processes arrive whole, in order, or not at all."""

from __future__ import annotations

import io
import json
import os
import struct
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.pool.frames import Channel

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def sent(*messages):
    """The bytes of messages on their way."""
    way = io.BytesIO()
    channel = Channel(io.BytesIO(), way)
    for message in messages:
        channel.send(message)
    return way.getvalue()


def received(content):
    """All messages in bytes, up to the end of the stream."""
    channel = Channel(io.BytesIO(content), io.BytesIO())
    found = []
    while True:
        try:
            found.append(channel.receive())
        except EOFError:
            return found


@given(st.lists(values, max_size=5))
def test_what_is_sent_is_received(messages):
    assert received(sent(*messages)) == messages


@given(st.lists(values, min_size=1, max_size=4), st.data())
def test_a_cut_stream_gives_its_whole_messages_and_then_ends(messages, data):
    """A worker that dies while it writes loses that message alone."""
    content = sent(*messages)
    cut = data.draw(st.integers(0, len(content) - 1))

    found = received(content[:cut])

    assert found == messages[: len(found)]
    assert len(found) < len(messages)


@given(st.binary(min_size=1, max_size=40))
def test_what_is_no_message_ends_the_stream(noise):
    """Code of the project may write to any descriptor; nobody waits for a message of exabytes."""
    head = struct.pack("!Q", len(noise))
    try:
        expected = [json.loads(noise)]
    except ValueError:
        expected = []

    assert received(head + noise) == expected
    assert received(struct.pack("!Q", 1 << 62) + noise) == []


def test_a_length_beyond_memory_ends_the_stream():
    reads, writes = os.pipe()
    os.write(writes, struct.pack("!Q", 1 << 60) + b"x")
    os.close(writes)

    with open(reads, "rb") as reader, pytest.raises(EOFError):
        Channel(reader, io.BytesIO()).receive()


def test_what_json_has_no_word_for_goes_as_its_text():
    (found,) = received(sent({"path": os, "set": {1}, "nan": float("inf"), "lone": "\udce9"}))

    assert found["path"] == str(os)
    assert found["set"] == "{1}"
    assert found["nan"] == float("inf")
    assert found["lone"] == "\udce9"


def test_several_threads_may_send_and_no_message_is_torn():
    reads, writes = os.pipe()
    there = Channel(os.fdopen(reads, "rb"), io.BytesIO())
    here = Channel(io.BytesIO(), os.fdopen(writes, "wb"))
    texts = [letter * 50_000 for letter in "abcd"]
    threads = [threading.Thread(target=lambda t=t: [here.send(t) for _ in range(20)]) for t in texts]
    for thread in threads:
        thread.start()

    found = [there.receive() for _ in range(80)]

    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(texts * 20)
    here.close()
    with pytest.raises(EOFError):
        there.receive()


def test_sending_to_somebody_who_is_gone_raises_and_closing_does_not():
    reads, writes = os.pipe()
    channel = Channel(io.BytesIO(), os.fdopen(writes, "wb"))
    os.close(reads)

    with pytest.raises((OSError, ValueError)):
        channel.send("x")
    channel.close()
    with pytest.raises(EOFError):
        channel.receive()
