"""The first part of an encode as an encode sets it up: for those who want its steps, and not a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch

from nvcodec.config.job import Job
from nvcodec.container import KeyFrames
from nvcodec.encoder.fit.events import ignore
from nvcodec.encoder.footage.read import SourceVideo
from nvcodec.encoder.parts.part import Context, Network, Part, new_part
from nvcodec.encoder.plan.models import ROWS
from nvcodec.encoder.plan.plan import make_plan


def first_part(job: Job, videos: Sequence[SourceVideo], should_stop: Callable[[], bool] = lambda: False) -> Part:
    """Build and choose it.

    Args:
        job: Of a new file, its preset chosen.
        videos: Its inputs, as :func:`nvcodec.encoder.footage.read.read_videos` reads them.
        should_stop: Asked where the choice takes fits.

    Raises:
        StopRequested: ``should_stop`` returned true.
        UsageError: The options do not suit the videos, or describe no network.
    """
    plan = make_plan([(video.source.format, len(video.source)) for video in videos], job.options)
    clips, names = [video.seen(plan.domain) for video in videos], [video.name for video in videos]
    context = Context(job, plan, clips, names, torch.device(job.options.device), None, ignore)

    def room(network: Network, key_frames: Mapping[int, KeyFrames]) -> int | None:
        """The part's share; the structure of the file, of which there is no file, counts as nothing."""
        if plan.limit is None:
            return None
        taken = sum(len(packet) for keys in key_frames.values() for packet in keys.packets)
        return max(plan.limit * part.pixels // part.pixels_left - taken, 1)

    part = new_part(ROWS[plan.model.name].part, context, 0, room)
    part.choose(None, should_stop)
    return part
