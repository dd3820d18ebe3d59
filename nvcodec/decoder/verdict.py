"""What a check of a whole file has looked at, and all that is wrong with it. Pictures aside, and no torch at import."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from nvcodec.container import PackModelId, PackSegment
from nvcodec.decoder.previews import head_integers
from nvcodec.decoder.session import Session
from nvcodec.errors import BitstreamError, NvcError, UnsupportedError
from nvcodec.io.saying import plural
from nvcodec.quant.tensors import digest

WITHOUT_PREVIEWS = "Pictures do not need it; leave previews out with:  nvc strip FILE --drop-previews"
_MOST_SAID = 8
"""Problems that a message names one by one."""
_KINDS = {
    "checksums": "checksum",
    "segments": "segment",
    "pictures": "picture",
    "key_frames": "key frame",
    "layers": "layer",
    "previews": "preview",
    "side_data": "set of side data",
}
"""What is looked at, and what one of it is called."""


class Problem(NamedTuple):
    """One thing that is wrong."""

    error: BitstreamError | UnsupportedError
    stream: int | None
    """The video that cannot be drawn for it; None: it is about the file."""


@dataclass(frozen=True)
class Verdict:
    """What became of a check."""

    checked: Mapping[str, int]
    """How many of each kind were looked at and found right: checksums (of chunks), segments (their integers), pictures,
    key_frames, layers, previews, side_data (streams that have some)."""
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    @property
    def summary(self) -> str:
        """What was found right: ``14 checksums, 2 segments, 16 pictures, 1 layer``."""
        return ", ".join(plural(count, _KINDS[kind]) for kind, count in self.checked.items() if count)

    def of_stream(self, stream: int) -> NvcError | None:
        """Why a video cannot be drawn; None: nothing is wrong with it."""
        return next((problem.error for problem in self.problems if problem.stream == stream), None)

    def error(self) -> NvcError | None:
        """All problems as one error: damage weighs more than what this version does not have."""
        if self.ok:
            return None
        errors = [problem.error for problem in self.problems]
        first = next((error for error in errors if isinstance(error, BitstreamError)), errors[0])
        others = [error.message for error in errors if error is not first]
        lines = [f"Also: {message}" for message in others[:_MOST_SAID]]
        lines += [f"And {len(others) - _MOST_SAID} more"] if len(others) > _MOST_SAID else []
        lines += [f"Found right: {self.summary or 'nothing'}", *([first.hint] if first.hint else [])]
        return type(first)(first.message, "\n".join(lines))

    def to_json(self) -> dict[str, Any]:
        """The verdict for scripts."""
        messages = [problem.error.message for problem in self.problems]
        return {"ok": self.ok, "checked": dict(self.checked), "problems": messages}


class Findings:
    """A verdict while it is made."""

    def __init__(self) -> None:
        self._checked = Counter(dict.fromkeys(_KINDS, 0))
        self._problems: list[Problem] = []

    def count(self, kind: str, number: int = 1) -> None:
        """Note what was looked at and found right."""
        self._checked[kind] += number

    def wrong(self, error: BitstreamError | UnsupportedError, stream: int | None = None) -> None:
        """Note what is wrong."""
        self._problems.append(Problem(error, stream))

    @contextmanager
    def looking(self, stream: int | None = None) -> Iterator[None]:
        """Around looking at one thing, which may turn out to be damaged; the next one is looked at all the same."""
        try:
            yield
        except (BitstreamError, UnsupportedError) as error:
            self.wrong(error, stream)

    def verdict(self) -> Verdict:
        """What was found."""
        return Verdict(dict(self._checked), tuple(self._problems))


def is_checkable(pack: PackSegment) -> bool:
    """Whether this version knows the network of a pack."""
    return pack.model_id in PackModelId._value2member_map_


def look_at_stored(session: Session, findings: Findings, packs: Iterable[PackSegment]) -> None:
    """Look at what opening a file has found, and at the integers of layers and previews; segments are left to do.

    Args:
        session: The open file.
        findings: Where it is noted.
        packs: Those of the file that are looked at.
    """
    container = session.container
    findings.count("checksums", len(container.chunks) - container.damaged_chunks)
    findings.count("side_data", len(container.side_data))
    for warning in container.warnings:
        if warning != container.key_frame_warning:  # which is said of each stream
            hint = "What is left can still be decoded, without --check"
            findings.wrong(BitstreamError(warning, WITHOUT_PREVIEWS if warning == container.preview_problem else hint))
    sound = Counter[int]()
    for pack in packs:
        with findings.looking():
            session.check_pack(pack)
            sound[pack.layer] += 1
    findings.count("layers", sum(sound[layer] == len(container.segments) for layer in range(1, container.layers + 1)))
    for head in container.previews.values():
        with findings.looking():
            try:
                head_integers(session, head)
            except BitstreamError as error:
                raise BitstreamError(error.message, WITHOUT_PREVIEWS) from error
            findings.count("previews")


def check_integers(session: Session, ordinal: int) -> None:
    """Compare the integers of a segment with its digest.

    Raises:
        BitstreamError: There is no digest, or the integers differ.
    """
    expected = session.container.digests.get(ordinal)
    if expected is None:
        raise BitstreamError(
            f"segment {ordinal} has no digest to compare with",
            "The file was cut, or written without digests; it decodes without --check",
        )
    if digest(session.integers(ordinal)) != expected.integers:
        raise BitstreamError(
            f"segment {ordinal} decodes to other integers than it was written from",
            "This must not happen on any machine: please report it with the file",
        )


def check_stored(session: Session) -> Verdict:
    """Look at all of a file but its pictures, of which key frames are some: whether those are there is looked at."""
    findings = Findings()
    look_at_stored(session, findings, filter(is_checkable, session.container.packs))
    for ordinal, segment in enumerate(session.container.segments):
        with findings.looking(segment.stream):
            if ordinal in session.container.digests:
                check_integers(session, ordinal)
            else:
                session.integers(ordinal)
            findings.count("segments")
        if session.config.keyed:
            with findings.looking(segment.stream):
                findings.count("key_frames", len(session.key_groups(ordinal, "cpu").coded.packets))
    return findings.verdict()
