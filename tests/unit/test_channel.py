"""Frames between supervisor and worker: whole, in pieces, too large, and not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import channel
from gateway.channel import Decoder, FrameError, Message, encode

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 53), 1 << 53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
MESSAGES = st.dictionaries(st.text(), VALUES, max_size=4).flatmap(
    lambda rest: st.text().map(lambda kind: {**rest, "type": kind})
)
FRAMES = st.lists(st.tuples(MESSAGES, st.binary(max_size=200)), max_size=5)


@given(FRAMES, st.data())
def test_messages_survive_every_split(frames: list[tuple[Message, bytes]], data: st.DataObject) -> None:
    """However the bytes are cut, the messages come out in order, each as soon as it is complete."""
    wire = b"".join(encode(*frame) for frame in frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=10)))
    decoder = Decoder()
    decoded = []
    for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        decoded += decoder.feed(wire[start:end])
    assert decoded == frames


@given(MESSAGES, st.binary(max_size=20))
def test_a_message_comes_with_its_last_byte(message: Message, attachment: bytes) -> None:
    """Nothing is given out before a frame is whole."""
    *most, last = encode(message, attachment)
    decoder = Decoder()
    for byte in most:
        assert decoder.feed(bytes([byte])) == []
    assert decoder.feed(bytes([last])) == [(message, attachment)]


def test_an_attachment_may_look_like_anything() -> None:
    """Newlines and frames inside an attachment are bytes like all others."""
    attachment = b'\n\n{"type":"x"}\n' + encode({"type": "inner"})
    assert Decoder().feed(encode({"type": "a"}, attachment)) == [({"type": "a"}, attachment)]


def test_a_message_too_large_is_neither_sent_nor_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound holds at both ends, and at the reader before the bytes are here."""
    monkeypatch.setattr(channel, "MAX_FRAME_BYTES", 30)
    fits = encode({"type": "a"}, bytes(17))
    assert len(fits) == 34
    assert Decoder().feed(fits)
    with pytest.raises(FrameError, match="31 bytes is larger than 30"):
        encode({"type": "a"}, bytes(18))
    with pytest.raises(FrameError, match="31 bytes is larger than 30"):
        Decoder().feed((31).to_bytes(4, "big"))


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"", "line of JSON"),
        (b"\nrest", "line of JSON"),
        (b"{", "line of JSON"),
        (b"\xff", "line of JSON"),
        (b'{"type":"a"} x', "line of JSON"),
        (b"[" * 100_000, "line of JSON"),
        (b"[]", "object with a type"),
        (b"7", "object with a type"),
        (b"{}", "object with a type"),
        (b'{"type":7}', "object with a type"),
    ],
)
def test_what_is_no_message(body: bytes, fault: str) -> None:
    """A frame whose first line is no object with a type is refused, and says why."""
    with pytest.raises(FrameError, match=fault):
        Decoder().feed(len(body).to_bytes(4, "big") + body)


@given(st.binary(max_size=300))
def test_garbage_raises_nothing_else(garbage: bytes) -> None:
    """Arbitrary bytes are messages, the beginning of one, or a FrameError."""
    try:
        messages = Decoder().feed(garbage)
    except FrameError:
        return
    assert all(isinstance(message["type"], str) for message, _ in messages)
