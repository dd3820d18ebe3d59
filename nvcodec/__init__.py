"""nvc: a neural video codec. Videos become small networks, networks become files, files become videos again."""

from __future__ import annotations

from importlib import import_module

from nvcodec.version import __version__

TYPE_CHECKING = False  # so that nothing is imported for it, as the command line begins here
if TYPE_CHECKING:
    from nvcodec.api.dataset import VideoClip, VideoDataset
    from nvcodec.api.decode import decode, decode_all
    from nvcodec.api.encode import encode, encode_archive, resume
    from nvcodec.api.info import probe
    from nvcodec.api.layers import add_layer, append, extract, strip
    from nvcodec.api.plan import EncodePlan, plan
    from nvcodec.api.sheet import sheet
    from nvcodec.config.options import DecodeOptions, EncodeOptions, EvalOptions, SheetOptions
    from nvcodec.decoder.frames import Frame, FrameBatch
    from nvcodec.decoder.metadata import VideoMetadata
    from nvcodec.decoder.reader import VideoReader
    from nvcodec.errors import NvcError, TargetNotReachedWarning
    from nvcodec.eval.measure import evaluate
    from nvcodec.eval.run import bench
    from nvcodec.progress.bars import progress_bar

__all__ = [
    "DecodeOptions", "EncodeOptions", "EncodePlan", "EvalOptions", "Frame", "FrameBatch", "NvcError", "SheetOptions",
    "TargetNotReachedWarning", "VideoClip", "VideoDataset", "VideoMetadata", "VideoReader", "__version__", "add_layer",
    "append", "bench", "decode", "decode_all", "encode", "encode_archive", "evaluate", "extract", "plan", "probe",
    "progress_bar", "resume", "sheet", "strip",
]  # fmt: skip

_HOMES = {
    "DecodeOptions": "nvcodec.config.options",
    "EncodeOptions": "nvcodec.config.options",
    "EncodePlan": "nvcodec.api.plan",
    "EvalOptions": "nvcodec.config.options",
    "SheetOptions": "nvcodec.config.options",
    "Frame": "nvcodec.decoder.frames",
    "FrameBatch": "nvcodec.decoder.frames",
    "NvcError": "nvcodec.errors",
    "TargetNotReachedWarning": "nvcodec.errors",
    "VideoClip": "nvcodec.api.dataset",
    "VideoDataset": "nvcodec.api.dataset",
    "VideoMetadata": "nvcodec.decoder.metadata",
    "VideoReader": "nvcodec.decoder.reader",
    "add_layer": "nvcodec.api.layers",
    "append": "nvcodec.api.layers",
    "bench": "nvcodec.eval.run",
    "decode": "nvcodec.api.decode",
    "decode_all": "nvcodec.api.decode",
    "encode": "nvcodec.api.encode",
    "encode_archive": "nvcodec.api.encode",
    "evaluate": "nvcodec.eval.measure",
    "extract": "nvcodec.api.layers",
    "plan": "nvcodec.api.plan",
    "probe": "nvcodec.api.info",
    "progress_bar": "nvcodec.progress.bars",
    "resume": "nvcodec.api.encode",
    "sheet": "nvcodec.api.sheet",
    "strip": "nvcodec.api.layers",
}


def __getattr__(name: str) -> object:
    """Import public names when they are first used: ``import nvcodec`` alone takes milliseconds."""
    if name not in _HOMES:
        raise AttributeError(f"module 'nvcodec' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
