"""Key frames from packets: from any group on, without the encoder, and hostile packets end cleanly."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nvcodec.color import yuv_to_rgb
from nvcodec.decoder.key_frames import decode_key_frames
from nvcodec.encoder.parts.key_frames import encode_key_frames
from nvcodec.errors import BitstreamError, UnsupportedError
from nvcodec.types import ChromaFormat, Planes, VideoFormat

VIDEO = VideoFormat(53, 37)
GROUP = 3


def _clip(video: VideoFormat, count: int) -> list[Planes]:
    rng = np.random.default_rng(7)
    base = [rng.integers(0, video.peak + 1, shape).astype(video.dtype) for shape in video.plane_shapes]
    clip = []
    for index in range(count):
        y, u, v = (np.roll(plane // 2, (index, 2 * index), (0, 1)) for plane in base)
        clip.append((y, u, v))
    return clip


@pytest.fixture(scope="module")
def packets() -> list[bytes]:
    return encode_key_frames(_clip(VIDEO, 8), VIDEO, 40, GROUP, 10)


def same(a: Sequence[Planes], b: Sequence[Planes]) -> bool:
    return len(a) == len(b) and all(
        np.array_equal(x, y) for p, q in zip(a, b, strict=True) for x, y in zip(p, q, strict=True)
    )


def test_every_group_starts_alone(packets: list[bytes]) -> None:
    whole = decode_key_frames(packets, VIDEO)
    assert len(whole) == 8
    for start in range(0, 8, GROUP):
        assert same(decode_key_frames(packets[start:], VIDEO), whole[start:])
        assert same(decode_key_frames(packets[start : start + GROUP], VIDEO), whole[start : start + GROUP])


def test_any_number_from_the_start(packets: list[bytes]) -> None:
    whole = decode_key_frames(packets, VIDEO)
    for count in range(8):
        assert same(decode_key_frames(packets[:count], VIDEO), whole[:count])


def test_amid_a_group_nothing_can_be_decoded(packets: list[bytes]) -> None:
    with pytest.raises(BitstreamError, match="key frame 0 cannot be decoded"):
        decode_key_frames(packets[1:], VIDEO)


_ALONE = """
import hashlib, json, sys
sys.modules["nvcodec.encoder"] = None
from nvcodec.decoder.key_frames import decode_key_frames
assert "av" not in sys.modules
from nvcodec.types import VideoFormat
found = decode_key_frames([bytes.fromhex(line) for line in sys.stdin.read().split()], VideoFormat(53, 37))
print(hashlib.sha256(b"".join(plane.tobytes() for planes in found for plane in planes)).hexdigest())
"""


def test_needs_no_encoder(packets: list[bytes]) -> None:
    text = "\n".join(packet.hex() for packet in packets)
    done = subprocess.run([sys.executable, "-c", _ALONE], input=text, capture_output=True, text=True, check=True)
    samples = b"".join(plane.tobytes() for planes in decode_key_frames(packets, VIDEO) for plane in planes)
    assert (done.stdout.strip(), done.stderr) == (hashlib.sha256(samples).hexdigest(), "")


@pytest.mark.parametrize(
    "other",
    [
        VideoFormat(54, 37),
        VideoFormat(53, 36),
        VideoFormat(16, 16),
        VideoFormat(640, 480),
        VideoFormat(53, 37, bit_depth=10),
    ],
)
def test_pictures_of_another_format(packets: list[bytes], other: VideoFormat) -> None:
    with pytest.raises(BitstreamError, match=f"key frame 0 .* {other.width}x{other.height} {other.bit_depth}-bit"):
        decode_key_frames(packets, other)


def test_format_that_changes_on_the_way(packets: list[bytes]) -> None:
    other = replace(VIDEO, width=64)
    strange = encode_key_frames(_clip(other, 1), other, 40, 1, 10)
    with pytest.raises(BitstreamError, match="key frame 3 cannot be decoded"):
        decode_key_frames([*packets[:GROUP], *strange, *packets[GROUP + 1 :]], VIDEO)


@pytest.mark.parametrize("index", range(8))
@pytest.mark.parametrize("damage", ["empty", "cut", "zeros", "garbage", "more", "twice", "header only"])
def test_damage_is_named(packets: list[bytes], index: int, damage: str) -> None:
    good = packets[index]
    packets = list(packets)
    packets[index] = {
        "empty": b"",
        "cut": good[: len(good) // 2],
        "zeros": bytes(len(good)),
        "garbage": np.random.default_rng(index).bytes(64),
        "more": good + b"\x00",
        "twice": good + good,
        "header only": good[:1],
    }[damage]
    with pytest.raises(BitstreamError, match=f"key frame {index} cannot be decoded"):
        decode_key_frames(packets, VIDEO)


def test_the_first_of_two_damages_is_named(packets: list[bytes]) -> None:
    # a picture of another size is found by the decoder, an empty packet before it
    strange = encode_key_frames(_clip(VideoFormat(64, 48), 1), VideoFormat(64, 48), 40, 1, 10)
    with pytest.raises(BitstreamError, match="key frame 3 cannot be decoded"):
        decode_key_frames([*packets[:3], *strange, b"", *packets[5:]], VIDEO)


def test_a_packet_of_very_many_pictures(packets: list[bytes]) -> None:
    again = min(packets, key=len)
    assert len(again) == 3  # a picture that is already there is shown
    with pytest.raises(BitstreamError, match="key frame 1 cannot be decoded"):
        decode_key_frames([packets[0], packets[1] + 1_000_000 * again], VIDEO)


def _ends_cleanly(packets: Sequence[bytes]) -> None:
    try:
        found = decode_key_frames(packets, VIDEO)
    except BitstreamError as error:
        assert error.message.startswith("key frame ") and int(error.message.split()[2]) < len(packets)
        return
    assert len(found) == len(packets)
    assert all([plane.shape for plane in planes] == list(VIDEO.plane_shapes) for planes in found)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_flipped_bits_end_cleanly(packets: list[bytes], data: st.DataObject) -> None:
    damaged = [bytearray(packet) for packet in packets]
    for packet in damaged:
        for _ in range(data.draw(st.integers(0, 2))):
            # the headers at the front matter most
            packet[data.draw(st.integers(0, 30)) % len(packet)] ^= 1 << data.draw(st.integers(0, 7))
    _ends_cleanly([bytes(packet) for packet in damaged])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_shuffled_lost_and_cut_packets_end_cleanly(packets: list[bytes], data: st.DataObject) -> None:
    order = data.draw(st.lists(st.integers(0, len(packets) - 1), max_size=10))
    _ends_cleanly([packets[index][: data.draw(st.sampled_from([None, 1, 12, 40]))] for index in order])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.binary(max_size=40), max_size=4))
def test_noise_ends_cleanly(noise: list[bytes]) -> None:
    # in a unit of its own, so that it reaches the decoder
    framed = [bytes([6 << 3 | 2, len(data) + 1, 0x10]) + data for data in noise]
    _ends_cleanly(noise)
    _ends_cleanly(framed)


def test_damage_is_not_reported_past_the_exception(packets: list[bytes], capfd: pytest.CaptureFixture[str]) -> None:
    flipped = bytearray(packets[0])
    flipped[len(flipped) // 3] ^= 0xFF
    for broken in ([bytes(flipped), *packets[1:]], packets[1:]):
        _ends_cleanly(broken)
    assert capfd.readouterr() == ("", "")


def test_without_a_decoder(packets: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules["nvcodec.io.packets"]._DECODERS, "av1", "no-such-decoder")
    with pytest.raises(UnsupportedError, match="no AV1 decoder"):
        decode_key_frames(packets, VIDEO)


def test_rgb_is_made_of_what_was_coded(packets: list[bytes]) -> None:
    stored = decode_key_frames(packets, VIDEO)
    for drawn, planes in zip(decode_key_frames(packets, replace(VIDEO, chroma=ChromaFormat.RGB)), stored, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(drawn, yuv_to_rgb(planes, VIDEO), strict=True))
