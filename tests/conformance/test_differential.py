"""Proof: what a strict reader refuses, the engine refuses; where both accept, they read the same.

There are two readers: llhttp, which many use, and a gateway of our own that is written to be read. A difference that is meant
to be is a function of ``tests.conformance.llhttp``, and a rule of docs/behaviour.md.
"""

import re
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.state.lane import REPLY, REPLY_CLOSE
from tests.conformance import inputs, llhttp, reference, slow_gateway
from tests.conformance.engine import NOW, Engine
from tests.conformance.response_rows import POST
from tests.helpers.proof import PROOF

INPUTS = 1_000_000 if PROOF else 50_000
EXAMPLES = 5_000 if PROOF else 200
PLAIN_TARGET = re.compile(rb"/[A-Za-z0-9]*(\?[A-Za-z0-9=]*)?")
"""A target that is forwarded as it came: nothing in it has another spelling."""
MADE_ID = re.compile("[0-9a-f]{32}")


@pytest.fixture(scope="module")
def engine() -> Engine:
    """One engine for all inputs: nothing of a connection may be left to the next."""
    return Engine()


def forwarded(engine: Engine, *pieces: bytes) -> bytes | None:
    """What the engine sends to an instance when a client sends these pieces; None when it refuses them."""
    connection, sent = engine.connect(), b""
    try:
        for piece in pieces:
            action, _, payload = connection.receive(piece, NOW)
            if action in {REPLY, REPLY_CLOSE}:
                return None
            sent += payload
        return sent
    finally:
        connection.close(NOW)


@pytest.mark.timeout(1200)
def test_the_engine_is_as_strict_as_llhttp_and_reads_the_same(engine: Engine) -> None:
    """Over rows, corpora and mutations of them."""
    seen: Counter[str] = Counter()
    for data in inputs.mutations(inputs.request_seeds(), 1, INPUTS):
        theirs, payload = llhttp.read(data), forwarded(engine, data)
        if payload is None:
            seen["refused by the engine" if theirs.complete else "refused by both"] += 1
            continue
        ours = llhttp.read(payload)
        assert ours.error is None or llhttp.is_extension(ours.error), (data, payload, ours.error)
        if theirs.error is not None:
            excused = llhttp.is_meant_to_differ(theirs, data)
            assert excused or not ours.complete, (data, theirs.error)
            seen["excused" if excused else "not whole yet"] += 1
        elif theirs.complete:
            assert ours.method == theirs.method, data
            assert theirs.upgrades or (ours.complete and ours.body == theirs.body), data
            assert ours.end_to_end() == theirs.end_to_end(), data
            if PLAIN_TARGET.fullmatch(theirs.target):
                assert ours.target == theirs.target, data
                assert ours.values("host") == (theirs.values("host") or [b""]), data
            seen["the same"] += 1
        else:
            assert not ours.complete, data
            seen["not whole yet"] += 1
    assert seen["the same"] > INPUTS / 10
    assert seen["refused by both"] > INPUTS / 4
    assert seen["excused"] < INPUTS / 20


@pytest.mark.timeout(1200)
def test_answers_are_read_as_strictly(engine: Engine) -> None:
    """What llhttp refuses of an instance, or waits for, no client gets as a whole answer; what it accepts comes as it is."""
    seen: Counter[str] = Counter()
    for data in inputs.mutations(inputs.response_seeds(), 3, INPUTS):
        theirs, outcome = llhttp.Answers(data), engine.relay(POST, [data] if data else [], None)
        ours, wanted = llhttp.Answers(outcome.answer), theirs.final()
        answer = ours.final()
        assert answer.error is None, (data, outcome.answer)
        if answer.values("proxy-status"):
            seen["refused by the engine" if wanted.complete else "refused by both"] += 1
            continue
        if answer.complete and not wanted.complete:
            theirs = llhttp.Answers(llhttp.plain(data))
            wanted = theirs.final()
            seen["excused"] += 1
        if wanted.complete:
            assert (answer.complete, answer.status, answer.body) == (True, wanted.status, wanted.body), data
            assert end_to_end(answer) == end_to_end(wanted), data
            assert ours.interim() == theirs.interim(), data
            seen["the same"] += 1
        else:
            excused = llhttp.is_dropped_trailer(wanted) or llhttp.is_last_interim(theirs)
            assert excused or not answer.complete, (data, wanted.error)
            seen["not whole"] += 1
    assert min(seen["the same"], seen["refused by both"], seen["not whole"]) > INPUTS / 20
    assert seen["excused"] < INPUTS / 100


def end_to_end(answer: llhttp.Reading) -> list[tuple[str, bytes]]:
    """The fields that no gateway writes."""
    return [(name, value) for name, value in answer.end_to_end() if name != "date"]


def check(engine: Engine, data: bytes, *cuts: int) -> str:
    """The engine forwards what the slow gateway does, whole or cut into pieces, and refuses what that refuses."""
    pieces = [data[start:end] for start, end in pairwise([0, *sorted(cuts), len(data)])]
    payload = forwarded(engine, *pieces)
    messages = reference.requests(payload or b"")
    ids = [
        value for message in messages for value in message.values("x-request-id") if MADE_ID.fullmatch(value)
    ]
    try:
        expected = slow_gateway.forwarded(data, ids[0] if ids else "")
    except slow_gateway.RefusedError:
        assert payload is None, data
        return "refused"
    except reference.IncompleteError:
        assert not messages, data
        return "incomplete"
    assert messages == [expected], data
    return "the same"


@pytest.mark.timeout(1200)
def test_the_engine_does_what_the_slow_gateway_does(engine: Engine) -> None:
    """Over rows, corpora and mutations of them: the same request to the last field, or none at all."""
    seen = Counter(check(engine, data) for data in inputs.mutations(inputs.request_seeds(), 2, INPUTS))
    assert min(seen["the same"], seen["refused"], seen["incomplete"]) > INPUTS / 20


@pytest.mark.timeout(1200)
@settings(max_examples=EXAMPLES)
@given(st.data())
def test_requests_put_together(engine: Engine, data: st.DataObject) -> None:
    """The same over requests that nobody wrote down, cut at any two places."""
    raw = data.draw(inputs.requests())
    place = st.integers(0, len(raw))
    check(engine, raw)
    check(engine, raw, data.draw(place), data.draw(place))
