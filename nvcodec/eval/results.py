"""Results that are kept: one JSON for each clip and codec, a superset of what CompressAI's tools read.

What their plots need (``name``, ``description`` and the columns of ``results``) stands where they look for it. All else
is under ``nvc``. No number is written twice; those that follow from others (bpp and bitrate from bytes) are checked.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from nvcodec.errors import InputError, UsageError, shown
from nvcodec.eval.files import Fields, read_json
from nvcodec.io.output import write_output

SCHEMA = "nvc-bench/1"

METRICS = {
    "psnr-yuv": "PSNR YUV 6:1:1 (dB)",
    "psnr-y": "PSNR Y (dB)",
    "psnr-rgb": "PSNR RGB (dB)",
    "ms-ssim-y": "MS-SSIM Y (dB)",
    "vmaf": "VMAF",
}
"""What curves can be compared in, and how that is written on an axis."""

MAX_MS_SSIM_DB = 60.0
"""Where MS-SSIM in dB ends: one minus it is then 1e-6, and float32 has no more to say."""

_PSNR = {"psnr-y": "y", "psnr-u": "u", "psnr-v": "v", "psnr-yuv": "yuv_611", "psnr-rgb": "rgb"}
_FPS = re.compile(r"[1-9][0-9]{0,9}(/[1-9][0-9]{0,9})?")
_COLUMNS = ("bpp", "bitrate", *_PSNR, "ms-ssim-y", "vmaf", "encode_s", "decode_fps")


@dataclass(frozen=True)
class ClipInfo:
    """What was coded. Sizes and frames are 0 in files of other programs, which do not say."""

    name: str
    sha256: str
    """Of the pictures, not of the file; empty in files of other programs."""
    width: int
    height: int
    frames: int
    seek: int
    """First frame that was coded."""
    fps: str | None
    """Exact fraction, as in ``30000/1001``."""
    bit_depth: int


@dataclass(frozen=True)
class Point:
    """One coded file, decoded again and measured. What a file of another program does not say is NaN, or 0 bytes."""

    point: float
    """What the codec was asked for, in the unit of its curve."""
    bytes: int
    bpp: float
    """8 x bytes / luma samples."""
    kbps: float | None
    """None where the frame rate is unknown."""
    psnr: dict[str, float]
    """dB by name: y, u, v, yuv_611, rgb; means over frames."""
    ms_ssim_y: float | None
    vmaf: float | None
    encode_s: float
    decode_fps: float
    settings: dict[str, Any]
    """Everything needed to do it again."""
    details: dict[str, Any]
    """Numbers that only some codecs have."""
    file: str | None
    """The coded file, relative to the folder of the results."""

    def columns(self) -> dict[str, float]:
        """The numbers that are known, by the name of their column in the file."""
        row = {
            "bpp": self.bpp,
            "bitrate": self.kbps,
            **{name: self.psnr.get(key) for name, key in _PSNR.items()},
            "ms-ssim-y": self.ms_ssim_y,
            "vmaf": self.vmaf,
            "encode_s": self.encode_s,
            "decode_fps": self.decode_fps,
        }
        return {name: value for name, value in row.items() if value is not None and math.isfinite(value)}


@dataclass(frozen=True)
class Curve:
    """What one codec made of one clip, point by point; points are put in the order of their bpp.

    Raises:
        ValueError: The bpp or bitrate of a point is not what its bytes make.
    """

    label: str
    """Names the curve, as in ``x265-veryslow``."""
    codec: str
    """Empty in files of other programs."""
    preset: str
    unit: str
    """Of :attr:`Point.point`: ``bpp``, ``crf`` or ``qp``."""
    description: str
    clip: ClipInfo
    versions: dict[str, str]
    host: dict[str, Any]
    points: tuple[Point, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", tuple(sorted(self.points, key=lambda point: point.bpp)))
        for point in self.points if self.clip.frames else ():
            _check_rate(point, self.clip)

    def to_json(self) -> dict[str, Any]:
        """The curve as it is written to a file, schema ``nvc-bench/1``."""
        return _document(self)

    def save(self, path: str | Path) -> None:
        """Write the curve, all or nothing.

        Raises:
            UsageError: The file cannot be written.
        """
        write_output(path, (json.dumps(self.to_json(), indent=2, allow_nan=False) + "\n").encode(), overwrite=True)

    @staticmethod
    def load(path: str | Path) -> Curve:
        """Read a curve of ours, or a result file of CompressAI, whose clip is then called as its folder is.

        CompressAI's ``psnr-yuv`` is left out: it weighs the planes 4:1:1 and is another number than ours.

        Raises:
            InputError: The file cannot be read, or does not hold what it should.
        """
        return _parse(Path(path), read_json(Path(path)))


def _check_rate(point: Point, clip: ClipInfo) -> None:
    bpp = 8 * point.bytes / (clip.width * clip.height * clip.frames)
    if not math.isclose(point.bpp, bpp, rel_tol=1e-6):
        raise ValueError(f"point {point.point:g} has {point.bytes} bytes, which are {bpp:g} bpp, not {point.bpp:g}")
    kbps = None if clip.fps is None else 8 * point.bytes * float(Fraction(clip.fps)) / clip.frames / 1000
    if (kbps is None) != (point.kbps is None) or not math.isclose(kbps or 0, point.kbps or 0, rel_tol=1e-6):
        raise ValueError(f"point {point.point:g} has {point.bytes} bytes, which are {kbps} kbps, not {point.kbps}")


def metric_values(curve: Curve, metric: str) -> list[float]:
    """One quality of each point, on the scale of :data:`METRICS`: MS-SSIM in dB, -10 log10(1 - x).

    Raises:
        UsageError: There is no such metric.
        InputError: Some point was not measured in it.
    """
    if metric not in METRICS:
        raise UsageError(f"metric {shown(metric)} is unknown", f"Metrics: {', '.join(METRICS)}")
    rows = [point.columns() for point in curve.points]
    if not all(metric in row for row in rows):
        has = [name for name in METRICS if all(name in row for row in rows)]
        raise InputError(
            f"{curve.label} on {curve.clip.name} was not measured in {metric}",
            f"It has {', '.join(has)}" if has else "",
        )
    values = [row[metric] for row in rows]
    return [_in_db(value) for value in values] if metric == "ms-ssim-y" else values


def _in_db(ms_ssim: float) -> float:
    return -10 * math.log10(max(1 - ms_ssim, 10 ** (-MAX_MS_SSIM_DB / 10)))


def load_all(paths: Iterable[str | Path]) -> list[Curve]:
    """Read result files, and all that folders hold, subfolders too; other JSON files in folders are passed over.

    Raises:
        InputError: A file cannot be read or does not hold what it should, or a folder holds no results.
        UsageError: Two files hold the same curve.
    """
    found: dict[Path, Curve] = {}
    for path in map(Path, paths):
        if not path.is_dir():
            found[path] = Curve.load(path)
            continue
        inside = {file: read_json(file) for file in sorted(path.rglob("*.json"))}
        curves = {file: _parse(file, held) for file, held in inside.items() if _is_result(held)}
        if not curves:
            raise InputError(f"{path} holds no results", "Fill it with:  nvc bench INPUT... -o DIR")
        found.update(curves)
    owner: dict[tuple[str, str], Path] = {}
    for file, curve in found.items():
        other = owner.setdefault((curve.clip.name, curve.label), file)
        if other.resolve() != file.resolve():
            raise UsageError(f"{other} and {file} both hold {curve.label} on {curve.clip.name}", "Name one of the two")
    return [found[file] for file in owner.values()]


def _is_result(held: Any) -> bool:
    return isinstance(held, dict) and "results" in held


def _document(curve: Curve) -> dict[str, Any]:
    """The curve as JSON. A column that not all points have stays with those that have it, so that columns align."""
    rows = [point.columns() for point in curve.points]
    common = [name for name in _COLUMNS if all(name in row for row in rows)]
    points = [
        {name: getattr(point, name) for name in ("point", "bytes", "settings", "details", "file")}
        | {name: value for name, value in row.items() if name not in common}
        for point, row in zip(curve.points, rows, strict=True)
    ]
    part = {name: getattr(curve, name) for name in ("codec", "preset", "unit", "versions", "host")}
    return {
        "schema": SCHEMA,
        "name": curve.label,
        "description": curve.description,
        "results": {name: [row[name] for row in rows] for name in common},
        "nvc": {"clip": asdict(curve.clip), **part, "points": points},
    }


def _parse(path: Path, held: Any) -> Curve:
    try:
        document = Fields(held)
        if "nvc" not in document:
            return _foreign(path, document)
        if (schema := document.text("schema")) != SCHEMA:
            raise ValueError(f"its schema is {shown(schema)}, and this nvc reads {shown(SCHEMA)}")
        return _ours(document)
    except (ValueError, ArithmeticError) as error:  # numbers that no float can hold
        raise InputError(f"{path} is no result file, or a damaged one: {error}") from None


def _ours(document: Fields) -> Curve:
    part = document.object("nvc")
    clip = part.object("clip")
    parts = list(part.objects("points"))
    return Curve(
        label=document.text("name"),
        codec=part.text("codec"),
        preset=part.text("preset"),
        unit=part.text("unit"),
        description=document.text("description"),
        clip=ClipInfo(
            name=clip.text("name"),
            sha256=clip.text("sha256"),
            width=clip.whole("width", 1),
            height=clip.whole("height", 1),
            frames=clip.whole("frames", 1),
            seek=clip.whole("seek"),
            fps=_fps(clip),
            bit_depth=clip.whole("bit_depth", 1),
        ),
        versions=part.texts("versions"),
        host=part.object("host").value,
        points=tuple(
            _point(one, row) for one, row in zip(parts, _rows(document.object("results"), len(parts)), strict=True)
        ),
    )


def _fps(clip: Fields) -> str | None:
    if clip.value.get("fps") is None:
        return None
    if not _FPS.fullmatch(fps := clip.text("fps")):
        raise ValueError(f"nvc.clip.fps is {shown(fps[:40])}, not a fraction like 30000/1001")
    return fps


def _point(one: Fields, row: dict[str, float]) -> Point:
    row = row | {name: one.number(name) for name in _COLUMNS if name in one}
    if missing := [name for name in ("bpp", "encode_s", "decode_fps") if name not in row]:
        raise ValueError(f"results.{missing[0]} is missing")
    return Point(
        point=one.number("point"),
        bytes=one.whole("bytes", 1),
        bpp=row["bpp"],
        kbps=row.get("bitrate"),
        psnr={key: row[name] for name, key in _PSNR.items() if name in row},
        ms_ssim_y=row.get("ms-ssim-y"),
        vmaf=row.get("vmaf"),
        encode_s=row["encode_s"],
        decode_fps=row["decode_fps"],
        settings=one.object("settings").value,
        details=one.object("details").value,
        file=None if one.value.get("file") is None else one.text("file"),
    )


def _foreign(path: Path, document: Fields) -> Curve:
    results = document.object("results")
    rows = _rows(results, len(results.numbers("bpp")))
    points = tuple(
        Point(
            point=float(number),
            bytes=0,
            bpp=row["bpp"],
            kbps=row.get("bitrate"),
            psnr={key: row[name] for name, key in _PSNR.items() if name in row and name != "psnr-yuv"},
            ms_ssim_y=row.get("ms-ssim-y"),
            vmaf=row.get("vmaf"),
            encode_s=math.nan,
            decode_fps=math.nan,
            settings={},
            details={},
            file=None,
        )
        for number, row in enumerate(rows, 1)
    )
    clip = ClipInfo(path.resolve().parent.name, "", 0, 0, 0, 0, None, 0)
    label = document.text("name") if "name" in document else path.stem
    description = document.text("description") if "description" in document else ""
    return Curve(label, "", "", "point", description, clip, {}, {}, points)


def _rows(results: Fields, count: int) -> list[dict[str, float]]:
    """Columns to rows; every column must be as long as there are points."""
    columns = {name: results.numbers(name) for name in _COLUMNS if name in results}
    for name, values in columns.items():
        if len(values) != count:
            raise ValueError(f"results.{name} has {len(values)} numbers for {count} points")
    if not count or min(columns.get("bpp", [1])) <= 0:
        raise ValueError("results.bpp has no points" if not count else "results.bpp has a rate that is not above 0")
    return [{name: values[index] for name, values in columns.items()} for index in range(count)]
