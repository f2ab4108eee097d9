"""Port-forward over SPDY without I/O: what pairs of streams mean, and what is no pair."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.relay.forwarding import Dropped, Ended, Given, Pairs, Step, Wanted
from kube.spdy.connection import Connection, Reset
from kube.spdy.events import DataReceived, Event, StreamAccepted, StreamEnded, StreamReset


class Talk:
    """A client and our side."""

    def __init__(self) -> None:
        self.pairs = Pairs()
        self.client = Connection(is_client=True, windows=False)

    def open(self, kind: str, port: str = "80", request: str = "0") -> int:
        """Open a stream."""
        return self.client.open({"streamtype": kind, "port": port, "requestid": request})

    def pair(self, port: int = 80) -> tuple[int, int]:
        """Open a pair, and return its data stream and its error stream."""
        error = self.open("error", str(port), f"pair {port}")
        data = self.open("data", str(port), f"pair {port}")
        assert self.steps() == [Wanted(data, port)]
        self.heard()
        return data, error

    def steps(self) -> list[Step]:
        """Return what our side makes of what the client sent."""
        return self.pairs.from_client(self.client.take_output())

    def heard(self) -> list[Event]:
        """Return what the client hears."""
        return self.client.receive(self.pairs.connection.take_output())


def test_a_connection_is_wanted_once_both_of_its_streams_are_there() -> None:
    talk = Talk()
    error = talk.open("error", "8080", "7")
    alone = talk.steps()
    data = talk.open("data", "8080", "7")

    assert (alone, talk.steps()) == ([], [Wanted(data, 8080)])
    assert talk.heard() == [StreamAccepted(error, {}), StreamAccepted(data, {})]


def test_pairs_of_old_clients_are_known_by_the_order_of_their_streams() -> None:
    talk = Talk()
    for kind in ("error", "data", "error", "data"):
        talk.client.open({"streamtype": kind, "port": "80"})

    assert talk.steps() == [Wanted(3, 80), Wanted(7, 80)]


def test_a_pair_that_is_opened_and_dropped_in_one_breath_is_both() -> None:
    talk = Talk()
    talk.open("error")
    data = talk.open("data")
    talk.client.reset(data, Reset.CANCEL)

    assert talk.steps() == [Wanted(data, 80), Dropped(data)]


@pytest.mark.parametrize(
    ("kind", "port"), [("data", ""), ("data", "0"), ("data", "65536"), ("error", "http"), ("odd", "80"), ("", "80")]
)
def test_a_stream_without_a_port_or_of_another_type_is_refused(kind: str, port: str) -> None:
    talk = Talk()
    stream = talk.open(kind, port)

    assert talk.steps() == []
    assert talk.heard() == [StreamReset(stream, Reset.REFUSED_STREAM)]


def test_a_second_stream_of_one_type_is_refused() -> None:
    talk = Talk()
    first, second = talk.open("data"), talk.open("data")

    assert talk.steps() == []
    assert talk.heard() == [StreamAccepted(first, {}), StreamReset(second, Reset.REFUSED_STREAM)]


def test_bytes_and_their_end_pass_and_the_other_way_goes_on() -> None:
    talk = Talk()
    data, _ = talk.pair()
    talk.client.send(data, b"question")
    talk.client.end(data)

    assert talk.steps() == [Given(data, b"question"), Ended(data)]
    talk.pairs.send(data, b"answer")
    talk.pairs.end(data)
    assert talk.heard() == [DataReceived(data, b"answer"), StreamEnded(data)]


def test_a_failure_is_told_on_the_error_stream_and_ends_its_pair_alone() -> None:
    talk = Talk()
    data, error = talk.pair(80)
    other, _ = talk.pair(81)

    talk.pairs.fail(data, "nobody there")
    talk.pairs.finish(data)
    talk.pairs.send(other, b"well")

    assert talk.heard() == [
        DataReceived(error, b"nobody there"),
        StreamEnded(error),
        StreamReset(data, Reset.CANCEL),
        DataReceived(other, b"well"),
    ]


def test_the_end_of_a_connection_ends_both_streams() -> None:
    talk = Talk()
    data, error = talk.pair()

    talk.pairs.finish(data)

    assert talk.heard() == [StreamEnded(data), StreamEnded(error)]


def test_a_client_that_drops_a_connection_is_heard_and_told_nothing_more() -> None:
    talk = Talk()
    data, error = talk.pair()
    talk.client.reset(data, Reset.CANCEL)

    assert talk.steps() == [Dropped(data)]
    talk.pairs.send(data, b"late")
    talk.pairs.fail(data, "late")
    assert talk.heard() == [StreamEnded(error)]


def test_a_client_that_has_all_data_and_resets_its_stream_still_hears_why_it_ended() -> None:
    """kubectl does so before it looks at the error; containerd ends the data before it tells that."""
    talk = Talk()
    data, error = talk.pair()
    talk.pairs.end(data)
    talk.client.reset(data, Reset.CANCEL)

    assert talk.steps() == [Ended(data)]
    talk.pairs.fail(data, "nobody there")
    talk.pairs.finish(data)
    assert talk.heard() == [DataReceived(error, b"nobody there"), StreamEnded(error)]


def test_a_stream_that_stays_alone_is_dropped_at_the_second_look() -> None:
    talk = Talk()
    stream = talk.open("error")
    talk.steps()
    talk.heard()

    talk.pairs.drop_overdue()
    assert talk.heard() == []
    talk.pairs.drop_overdue()

    assert talk.heard() == [StreamReset(stream, Reset.CANCEL)]


def test_a_client_that_says_goodbye_or_nonsense_has_left() -> None:
    polite, hostile = Talk(), Talk()
    polite.client.leave()
    polite.steps()
    hostile.pairs.from_client(b"\x80\x07nonsense")

    assert (polite.pairs.has_left, hostile.pairs.has_left) == (True, True)


ACTS = st.lists(
    st.tuples(
        st.sampled_from(("open error", "open data", "send", "end", "reset", "answer", "finish", "fail")),
        st.integers(0, 3),
    ),
    max_size=40,
)


class Play:
    """A client that does as it likes, and what each connection should have got by that and did get."""

    def __init__(self) -> None:
        self.talk = Talk()
        self.streams: dict[tuple[str, int], int] = {}
        self.sent: dict[int, bytes] = {}
        self.got: dict[int, bytes] = {}
        self.over: set[int] = set()

    def act(self, act: str, number: int) -> None:
        """Do one thing, where it can be done."""
        client, pairs, data = self.talk.client, self.talk.pairs, self.streams.get(("data", number), 0)
        match act.split():
            case ["open", kind] if (kind, number) not in self.streams:
                self.streams[kind, number] = self.talk.open(kind, "80", str(number))
            case ["send"] if client.room(data) and data in self.got:
                client.send(data, bytes([number]))
                if data not in self.over:
                    self.sent[data] += bytes([number])
            case ["end"] if client.room(data):
                client.end(data)
            case ["reset"] if data:
                client.reset(data, Reset.CANCEL)
            case ["answer"] if data:
                pairs.send(data, b"answer")
            case ["finish"] if data in self.got:
                pairs.finish(data)
                self.over.add(data)
            case ["fail"] if data in self.got:
                pairs.fail(data, "broke")
                self.over.add(data)

    def pass_on(self, cut: int) -> None:
        """Let both sides hear each other, in pieces of `cut` bytes."""
        output = self.talk.client.take_output()
        for start in range(0, len(output), cut):
            for step in self.talk.pairs.from_client(output[start : start + cut]):
                assert isinstance(step, Wanted) or step.pair not in self.over
                match step:
                    case Wanted(pair, _):
                        self.sent[pair] = self.got[pair] = b""
                    case Given(pair, data):
                        self.got[pair] += data
                    case Dropped(pair):
                        self.over.add(pair)
        self.talk.heard()


@given(ACTS, st.integers(1, 7))
def test_whatever_a_client_does_its_bytes_reach_the_connection_that_they_were_sent_to(
    acts: Sequence[tuple[str, int]], cut: int
) -> None:
    """Pairs never mix, nothing is told of a pair that is over, and no order of events breaks the connection."""
    play = Play()
    for act, number in acts:
        play.act(act, number)
        play.pass_on(cut)

    assert (play.talk.client.is_over, play.talk.pairs.connection.is_over) == (False, False)
    assert play.got == play.sent
