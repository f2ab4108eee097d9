"""Two sides of a connection talk, and each hears what the other did; hostile bytes end it, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube.spdy import frames
from kube.spdy.connection import WINDOW_BYTES, Connection, Reset, StreamError
from kube.spdy.events import (
    DataReceived,
    Event,
    Failed,
    PeerLeaving,
    Pong,
    RoomGrew,
    StreamAccepted,
    StreamEnded,
    StreamOpened,
    StreamReset,
)
from kube.spdy.frames import Data, Frame, FrameReader, FrameWriter, Settings, SynReply, SynStream, WindowUpdate


class Pair:
    """A client and a server, and what travels between them."""

    def __init__(self, *, windows: bool = False, streams_max: int = 4) -> None:
        self.client = Connection(is_client=True, windows=windows, streams_max=streams_max)
        self.server = Connection(is_client=False, windows=windows, streams_max=streams_max)

    def heard_by_server(self) -> list[Event]:
        return self.server.receive(self.client.take_output())

    def heard_by_client(self) -> list[Event]:
        return self.client.receive(self.server.take_output())

    def opened(self) -> int:
        """Return a stream that the server has accepted."""
        stream = self.client.open({"streamtype": "data"})
        self.heard_by_server()
        self.server.accept(stream)
        self.heard_by_client()
        return stream


def hears(connection: Connection, *sent: Frame) -> list[Event]:
    """Return what a connection makes of frames that a peer with a will of its own sends."""
    writer = FrameWriter()
    return connection.receive(b"".join(map(writer.write, sent)))


def answer(connection: Connection) -> list[frames.Frame | frames.Unknown]:
    return list(FrameReader().feed(connection.take_output()))


def server(**options: int) -> Connection:
    return Connection(is_client=False, windows=False, **options)


def test_a_stream_is_opened_accepted_used_both_ways_and_closed() -> None:
    pair = Pair()

    stream = pair.client.open({"streamtype": "stdin"})
    assert pair.heard_by_server() == [StreamOpened(1, {"streamtype": "stdin"})]
    pair.server.accept(stream, {"status": "200"})
    pair.server.send(stream, b"welcome")
    assert pair.heard_by_client() == [StreamAccepted(1, {"status": "200"}), DataReceived(1, b"welcome")]
    pair.client.send(stream, b"hello")
    pair.client.end(stream)
    assert pair.heard_by_server() == [DataReceived(1, b"hello"), StreamEnded(1)]
    pair.server.send(stream, b"still here")
    pair.server.end(stream)
    assert pair.heard_by_client() == [DataReceived(1, b"still here"), StreamEnded(1)]

    assert (pair.client.room(stream), pair.server.room(stream)) == (0, 0)


def test_a_server_s_streams_have_even_numbers() -> None:
    pair = Pair()

    assert [pair.server.open({}), pair.server.open({})] == [2, 4]
    assert pair.heard_by_client() == [StreamOpened(2, {}), StreamOpened(4, {})]


def test_a_ping_is_answered_and_an_answer_is_told() -> None:
    pair = Pair()

    number = pair.client.ping()

    assert pair.heard_by_server() == []
    assert pair.heard_by_client() == [Pong(number)]


def test_a_reset_ends_a_stream_both_ways_and_what_was_under_way_is_dropped() -> None:
    pair = Pair()
    stream = pair.opened()
    pair.client.send(stream, b"under way")
    pair.server.reset(stream, Reset.CANCEL)

    assert pair.heard_by_server() == []
    assert pair.heard_by_client() == [StreamReset(stream, Reset.CANCEL)]
    assert pair.client.room(stream) == 0


def test_one_stream_more_than_allowed_is_refused_and_the_others_go_on() -> None:
    pair = Pair(streams_max=1)
    stream = pair.opened()

    second = pair.client.open({})

    assert pair.heard_by_server() == []
    assert pair.heard_by_client() == [StreamReset(second, Reset.REFUSED_STREAM)]
    assert pair.client.room(stream) > 0


def test_after_a_goodbye_no_stream_is_taken_and_open_ones_go_on() -> None:
    pair = Pair()
    stream = pair.opened()
    pair.server.leave()
    assert pair.heard_by_client() == [PeerLeaving(0)]

    second = pair.client.open({})
    pair.client.send(stream, b"more")

    assert pair.heard_by_server() == [DataReceived(stream, b"more")]
    assert pair.heard_by_client() == [StreamReset(second, Reset.REFUSED_STREAM)]


def test_commands_for_streams_that_are_closed_are_refused() -> None:
    pair = Pair()
    stream = pair.opened()
    pair.client.end(stream)

    with pytest.raises(StreamError, match="ended already"):
        pair.client.end(stream)
    with pytest.raises(StreamError, match="room for 0 bytes"):
        pair.client.send(stream, b"late")
    with pytest.raises(StreamError, match="not open"):
        pair.client.send(99, b"nowhere")
    with pytest.raises(StreamError, match="no answer"):
        pair.server.accept(stream)


def test_a_stream_that_is_dropped_before_it_is_taken_stays_dropped() -> None:
    """All of it may come in one piece, and be heard of at once."""
    pair = Pair()
    stream = pair.client.open({"streamtype": "stdin"})
    pair.client.reset(stream, Reset.CANCEL)
    assert pair.heard_by_server() == [
        StreamOpened(stream, {"streamtype": "stdin"}),
        StreamReset(stream, Reset.CANCEL),
    ]

    pair.server.accept(stream)

    assert (pair.heard_by_client(), pair.server.room(stream)) == ([], 0)


def test_data_for_a_stream_that_never_was_is_answered_with_a_reset() -> None:
    connection = server()

    assert hears(connection, Data(5, b"lost")) == []
    assert answer(connection) == [frames.RstStream(5, Reset.INVALID_STREAM)]


def test_data_after_a_stream_s_end_resets_it() -> None:
    connection = server()

    events = hears(connection, SynStream(1, {}, fin=True), Data(1, b"late"))

    assert events == [StreamOpened(1, {}), StreamEnded(1), StreamReset(1, Reset.STREAM_ALREADY_CLOSED)]


def test_a_second_reply_resets_the_stream() -> None:
    client = Connection(is_client=True, windows=False)
    stream = client.open({})

    events = hears(client, SynReply(stream, {}), SynReply(stream, {}))

    assert events == [StreamAccepted(stream, {}), StreamReset(stream, Reset.STREAM_IN_USE)]


@pytest.mark.parametrize("second", [1, 2, 3])
def test_a_stream_number_that_was_given_or_is_ours_ends_the_connection(second: int) -> None:
    connection = server()

    events = hears(connection, SynStream(3, {}), SynStream(second, {}), frames.Ping(1))

    assert isinstance(events[-1], Failed)
    assert answer(connection) == [frames.GoAway(3, 1)]
    assert (connection.is_over, hears(connection, frames.Ping(1)), connection.take_output()) == (True, [], b"")


def test_a_sender_gets_room_as_its_bytes_are_used() -> None:
    pair = Pair(windows=True)
    stream = pair.opened()
    pair.client.send(stream, bytes(WINDOW_BYTES))
    assert (pair.client.room(stream), len(pair.heard_by_server())) == (0, 1)

    pair.server.consumed(stream, WINDOW_BYTES // 4)
    assert pair.heard_by_client() == []
    pair.server.consumed(stream, WINDOW_BYTES // 4)

    assert pair.heard_by_client() == [RoomGrew(stream), RoomGrew(0)]
    assert pair.client.room(stream) == WINDOW_BYTES // 2


def test_all_streams_together_keep_to_the_session_s_window() -> None:
    pair = Pair(windows=True)
    first, second = pair.opened(), pair.opened()

    pair.client.send(first, bytes(WINDOW_BYTES - 10))

    assert (pair.client.room(first), pair.client.room(second)) == (10, 10)


def test_settings_change_the_windows_of_open_streams() -> None:
    connection = Connection(is_client=False, windows=True)

    events = hears(connection, SynStream(1, {}), Settings({7: 100}), SynStream(3, {}), Settings({7: 200}))

    assert events == [StreamOpened(1, {}), StreamOpened(3, {}), RoomGrew(1), RoomGrew(3)]
    assert (connection.room(1), connection.room(3)) == (200, 200)


def test_more_than_the_session_s_window_ends_the_connection() -> None:
    connection = Connection(is_client=False, windows=True)

    events = hears(connection, SynStream(1, {}), Data(1, bytes(WINDOW_BYTES + 1)))

    assert isinstance(events[-1], Failed)


def test_a_window_that_grows_past_its_maximum_resets_its_stream() -> None:
    connection = Connection(is_client=False, windows=True)

    events = hears(connection, SynStream(1, {}), WindowUpdate(1, (1 << 31) - 1))

    assert events[-1] == StreamReset(1, Reset.FLOW_CONTROL_ERROR)


def test_without_windows_a_peer_that_never_grants_room_is_sent_everything() -> None:
    """Kubernetes' clients send no WINDOW_UPDATE: waiting for one would stop their output after 64 KiB."""
    pair = Pair()
    stream = pair.opened()

    for _ in range(4):
        pair.server.send(stream, bytes(WINDOW_BYTES))

    assert sum(len(event.data) for event in pair.heard_by_client() if isinstance(event, DataReceived)) == 262144


NUMBERS = st.integers(0, 5)
WORDS = st.lists(NUMBERS, max_size=4).map(lambda numbers: b"".join(number.to_bytes(4, "big") for number in numbers))
BODIES = st.one_of(st.binary(max_size=40), WORDS)


def control(kind: int, flags: int, body: bytes) -> bytes:
    return b"\x80\x03\0" + bytes([kind, flags]) + len(body).to_bytes(3, "big") + body


CONTROLS = st.builds(control, st.integers(0, 11), st.integers(0, 3), BODIES)
DATAS = st.builds(lambda stream, body: FrameWriter().write(Data(stream, body)), NUMBERS, st.binary(max_size=40))


@given(st.lists(st.one_of(CONTROLS, DATAS, st.binary(max_size=20)), max_size=12), st.booleans())
def test_no_bytes_do_more_than_end_the_connection(pieces: list[bytes], windows: bool) -> None:
    connection = Connection(is_client=False, windows=windows, streams_max=2)
    hears(connection, SynStream(1, {"a": "b"}))

    events = [event for piece in pieces for event in connection.receive(piece)]

    failures = [event for event in events if isinstance(event, Failed)]
    assert len(failures) == connection.is_over
    assert not failures or events[-1] == failures[0]
    assert len(connection.take_output()) <= 2 * sum(map(len, pieces)) + 16
