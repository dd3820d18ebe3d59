"""What is worth knowing before small pictures are drawn: that it takes the time of whole ones, or shows less."""

from __future__ import annotations

from collections.abc import Iterable

from nvcodec.container import PREVIEW_DIVISORS
from nvcodec.decoder.previews import head_shape
from nvcodec.decoder.reader import VideoReader
from nvcodec.errors import NvcError
from nvcodec.models.previews import choose_level
from nvcodec.types import Time


def notices(reader: VideoReader, frames: Iterable[Time]) -> list[str]:
    """What to say of small pictures of some frames, one line each; of whole pictures there is nothing to say."""
    pictures, session = reader.pictures, reader.session
    if pictures.divisor == 1:
        return []
    ordinals = list(dict.fromkeys(session.locate(frame, reader.stream)[0] for frame in frames))
    detour, said = "whole frames are drawn and shrunk", []
    if left_out := pictures.layers_left_out:
        layers = "its layer is" if left_out == 1 else f"its {left_out} layers are"
        said.append(f"previews show the base alone, {layers} left out; for --layers {left_out} {detour}")
    whole = pictures.without_preview(session, ordinals)
    if reader.layers and any(pictures.usable_heads(session, ordinal) for ordinal in whole):
        said.append(f"previews show the base alone; for --layers {reader.layers} {detour}")
    elif whole:
        detour += "" if len(whole) == len(ordinals) else f" for {len(whole)} of {len(ordinals)} segments"
        if problem := _unusable(reader, whole):
            said.append(f"{problem}; {detour}")
        else:
            advice = "; encode with --preview for speed" if _might_have_one(reader, whole[0]) else ""
            said.append(f"no preview stored for {_size(reader)}: {detour}{advice}")
    return said


def _might_have_one(reader: VideoReader, ordinal: int) -> bool:
    """Whether an encoder could store a preview that would draw what is asked for."""
    session = reader.session
    if reader.layers or not session.model.previewed:
        return False
    pyramid = session.pyramid(session.container.segments[ordinal])
    sizes = (divisor for divisor in PREVIEW_DIVISORS if reader.pictures.divisor % divisor == 0)
    return pyramid is not None and any(choose_level(pyramid, divisor) is not None for divisor in sizes)


def _unusable(reader: VideoReader, ordinals: Iterable[int]) -> str | None:
    """Why previews of some segments are of no use; None when there are none."""
    container, asked = reader.session.container, set(ordinals)
    for (ordinal, divisor), head in container.previews.items():
        if ordinal in asked and reader.pictures.divisor % divisor == 0:
            try:
                head_shape(reader.session, head)
            except NvcError as error:
                return error.message
    return container.preview_problem and f"no preview for {_size(reader)} that can be used"


def _size(reader: VideoReader) -> str:
    return f"1/{reader.pictures.divisor}"
