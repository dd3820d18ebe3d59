"""D-NeRV (He et al., CVPR 2023): one network for many videos, which draws what lies between coded key frames.

    time code ---------------------------> stem --+
    key frames -> encoder -> features, blended ---+-> { flow, warp, fuse -> conv -> temporal MLP } x blocks
    key frames, warped by the last flow ------------> head: + residual -> planes

A clip of eight frames is drawn as a whole, between the key frame it begins with and the next. Features are kept
channels-last, [T, h, w, C], T being the frames of a clip.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nvcodec.models.base import CellWindow, Drawing, PlaneTensors, VideoField
from nvcodec.models.dnerv_config import DNeRVConfig, Fusing, Span
from nvcodec.models.dnerv_time import mixing_of
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.keyed_video import KeyedVideo, KeyFrameSource
from nvcodec.models.planes import begin_smooth, pack, resize, unpack
from nvcodec.models.precision import in_float32, widened
from nvcodec.models.pyramid import head_channels
from nvcodec.types import ChromaFormat


class DNeRV(VideoField):
    """One video of a file, drawn by the network that all its videos share.

    Args:
        config: Shape of the network.
        geometry: Of the video.
        network: That of another video of the file; None = a fresh one.
    """

    def __init__(self, config: DNeRVConfig, geometry: FieldGeometry, network: DNeRVNetwork | None = None) -> None:
        super().__init__()
        self.config, self.geometry, self.scale = config, geometry, config.scale
        self.specs = config.tensor_specs(geometry)
        self.interleaved = config.shuffle if config.picture else 1
        self.network = network or DNeRVNetwork(config, geometry.chroma)
        self.video = KeyedVideo(config, geometry)

    @classmethod
    def bound(cls, config: DNeRVConfig, geometry: FieldGeometry, trained: DNeRV, keys: KeyFrameSource) -> DNeRV:
        """See :meth:`nvcodec.models.registry.Model.bind`."""
        field = cls(config, geometry, trained.network)
        field.video.take_key_frames(keys, keys.peak, keys.direct)
        return field

    def forward(self, frames: Tensor, window: CellWindow | None = None) -> Drawing:
        """See :meth:`VideoField.forward`. Clips are drawn whole, whichever of their frames are asked for.

        Times between frames are drawn as clips of their own, all of whose frames are later by the same thousandths.
        """
        assert window is None
        length, times = self.config.clip, frames.tolist()
        clips = [(int(time // length), round(time % 1, 3)) for time in times]
        drawn = {clip: self._clip(*clip) for clip in dict.fromkeys(clips)}
        places = [int(time) % length for time in times]
        pictures = [[plane[place] for plane in drawn[clip]] for clip, place in zip(clips, places, strict=True)]
        first, second, third = (torch.stack(planes) for planes in zip(*pictures, strict=True))
        return Drawing((first, second, third), [])

    def _clip(self, clip: int, late: float) -> PlaneTensors:
        """All frames of a clip, or what is seen ``late`` frames after each of them, float [T, rows, columns]."""
        bands = []
        for vertical in self.config.spans(self.geometry.height):
            tiles = [
                self.video.inside(self._tile(clip, vertical, horizontal, late), vertical, horizontal)
                for horizontal in self.config.spans(self.geometry.width)
            ]
            bands.append([torch.cat(planes, dim=2) for planes in zip(*tiles, strict=True)])
        first, second, third = (torch.cat(planes, dim=1) for planes in zip(*bands, strict=True))
        for place, key in () if late else self.video.shown_directly(clip):
            for plane, shown in zip((first, second, third), key, strict=True):
                plane[place] = shown
        return first, second, third

    def _tile(self, clip: int, vertical: Span, horizontal: Span, late: float) -> PlaneTensors:
        inputs = self.video.inputs(clip, vertical, horizontal)
        share_later = self.video.share_later(clip, late) if late else None
        planes: PlaneTensors = self.network(*inputs, late, share_later)
        return planes


class DNeRVNetwork(nn.Module):
    """The parameters that all videos share.

    Source: D-NeRV section 3, Figure 3, and its released code where the paper is silent. Differences of what is usual
    here, each of which the configuration can undo: the network works at 1/``shuffle`` of the resolution, its head draws
    a residual to the warped key frames instead of the picture, and there is no grid over the picture, so pictures may
    have any size. Flow starts at zero, and key frames are blended by their true distance (the released code's weights
    are half a frame off).
    """

    def __init__(self, config: DNeRVConfig, chroma: ChromaFormat) -> None:
        super().__init__()
        self.config, self.chroma = config, chroma
        packed = head_channels(config.shuffle, chroma)
        drawn = config.stem * config.stem_rows * config.stem_columns
        self.time = nn.Sequential(
            nn.Linear(2 * config.time_levels, config.time_width), nn.GELU(), nn.Linear(config.time_width, drawn)
        )
        self.keys = KeyEncoder(packed, config.key_channels, config.strides) if config.key_frames else None
        incoming = config.joined
        self.blocks, self.flows = nn.ModuleList(), nn.ModuleDict()
        for level, (stride, outgoing) in enumerate(zip(config.strides, config.channels, strict=True)):
            if config.has_flow(level):
                self.flows[str(level)] = _flow_head(incoming)
            self.blocks.append(Block(config, stride, incoming, outgoing))
            incoming = outgoing
        if config.has_flow(len(config.strides)):
            self.flows[str(len(config.strides))] = _flow_head(incoming)
        narrow = max(incoming // 4, 4)
        seen = packed if config.key_frames else 0
        first, last = nn.Conv2d(incoming + seen, narrow, 1), nn.Conv2d(narrow, packed, 3, padding=1)
        self.head = nn.Sequential(first, nn.GELU(), last)
        if config.picture:
            begin_smooth(last.weight, config.shuffle, chroma)
            nn.init.constant_(last.get_parameter("bias"), 0.5)
        else:
            _zero(last)

    def forward(
        self, code: Tensor, share: Tensor, keys: PlaneTensors, late: float = 0, share_later: Tensor | None = None
    ) -> PlaneTensors:
        """Draw a clip, or a tile of it.

        Args:
            code: Time code of each frame, float32 [T, 2 * time_levels].
            share: How far each frame is on the way from the first key frame to the second, float32 [T], 0..1.
            keys: The two key frames, float32 [2, rows, columns] each, rows and columns being multiples of the scale
                (half of them for chroma in 4:2:0), units of the largest code value; [0, rows, columns] without any.
            late: Draw what is seen so much after each frame, in frames, 0..1: the features behind the last block are
                interpolated, continued behind the last frame, and key frames are warped to the time in between.
            share_later: The share at these times; None: frames are drawn as they are.

        Returns:
            float [T, rows, columns] each.
        """
        share, flow = share.view(-1, 1, 1, 1), None
        pyramid = [] if self.keys is None else self.keys(pack(keys, self.config.shuffle, self.chroma))
        x = self._stem(code, keys[0].shape[1] // self.config.scale, keys[0].shape[2] // self.config.scale)
        if pyramid:
            x = _instance_norm(torch.cat([x, _between(pyramid[0], None, share)], dim=-1))
        for level, block in enumerate(self.blocks):
            flow = self._flow(level, x, flow)
            x = block(x, _between(pyramid[level], _resized(flow, x.shape[1]), share) if pyramid else None)
        if share_later is not None:
            # linear, so what is interpolated with the features is the motion
            x, flow = _later(x, late), None if flow is None else _later(flow, late)
            share = share_later.view(-1, 1, 1, 1)
        with in_float32(x):
            x = widened(x)
            return self._drawn(x, keys, self._flow(len(self.blocks), x, flow), share)

    def _stem(self, code: Tensor, rows: int, columns: int) -> Tensor:
        """Time codes [T, 2 * time_levels] drawn for cells, float [T, rows, columns, stem]."""
        grid = self.config.stem_rows, self.config.stem_columns
        stem: Tensor = self.time(code).view(len(code), self.config.stem, *grid).permute(0, 2, 3, 1)
        if grid == (1, 1):
            return stem.expand(-1, rows, columns, -1)
        return stem if grid == (rows, columns) else resize(stem, (rows, columns))

    def _drawn(self, x: Tensor, keys: PlaneTensors, flow: Tensor | None, share: Tensor) -> PlaneTensors:
        """The planes, from the finest features [T, h, w, C] and the warped key frames."""
        if self.keys is None:
            return unpack(_last(self.head, x), self.config.shuffle, self.chroma)
        first, second, third = (plane.unsqueeze(-1) for plane in keys)
        luma = _between(first, _resized(flow, first.shape[1]), share)
        finest = _resized(flow, second.shape[1])
        chroma = _between(torch.cat([second, third], dim=-1), finest, share)
        carried = luma.squeeze(-1), chroma[..., 0], chroma[..., 1]
        joined = torch.cat([x, pack(carried, self.config.shuffle, self.chroma)], dim=-1)
        drawn = unpack(_last(self.head, joined), self.config.shuffle, self.chroma)
        if self.config.picture:
            return drawn
        return tuple(a + b for a, b in zip(carried, drawn, strict=True))

    def _flow(self, level: int, x: Tensor, earlier: Tensor | None) -> Tensor | None:
        """Displacements towards both key frames, float32 [T, h, w, 4] (x and y to the first, then to the second).

        Where none are estimated at a level, those of an earlier one, of its size, if there are any.
        """
        if str(level) not in self.flows:
            return earlier
        with in_float32(x):
            return _last(self.flows[str(level)], widened(x))


class KeyEncoder(nn.Module):
    """Features of key frames at every resolution the blocks work at.

    Source: D-NeRV section 3.1: one convolution, then patches without overlap.
    """

    def __init__(self, packed: int, channels: int, strides: tuple[int, ...]) -> None:
        super().__init__()
        self.first = nn.Conv2d(packed, channels, 3, padding=1)
        self.patches = nn.ModuleList(nn.Conv2d(channels, channels, stride, stride) for stride in strides)

    def forward(self, packed: Tensor) -> list[Tensor]:
        """[K, h, w, packed channels] -> features [K, h_n, w_n, C], coarse to fine, one level for each block."""
        x, levels = F.gelu(_last(self.first, packed)), []
        for patch in reversed(self.patches):
            x = F.gelu(_last(patch, x))
            levels.append(x)
        return levels[::-1]


class Block(nn.Module):
    """Fusion of the key frames' features, convolution and pixel shuffle, frames that see each other.

    Source: D-NeRV section 3.2, equations 5 to 8. How features are fused is :class:`nvcodec.models.dnerv_config.Fusing`;
    without fusion they are added.
    """

    def __init__(self, config: DNeRVConfig, stride: int, incoming: int, outgoing: int) -> None:
        super().__init__()
        self.stride, self.is_fused, self.per_place = stride, config.fusion, config.fusing is Fusing.PER_PLACE
        fused = config.fuse_outputs(incoming)
        self.fuse = nn.Conv2d(config.key_channels, fused, 1) if fused else None
        if self.fuse is not None and self.per_place:
            nn.init.constant_(self.fuse.get_parameter("bias")[:1], 1.0)  # begins as x itself
        self.conv = nn.Conv2d(config.convolved(incoming), outgoing * stride**2, 3, padding=1)
        self.temporal = mixing_of(config, outgoing)

    def forward(self, x: Tensor, content: Tensor | None) -> Tensor:
        """X [T, h, w, incoming] and the key frames' features [T, h, w, C] -> [T, s*h, s*w, outgoing]."""
        if content is not None:
            x = self._fused(x, content)
        wide = F.pixel_shuffle(self.conv(x.permute(0, 3, 1, 2)), self.stride)
        x = F.gelu(wide).permute(0, 2, 3, 1)
        return x if self.temporal is None else self.temporal(x)

    def _fused(self, x: Tensor, content: Tensor) -> Tensor:
        if self.fuse is None:
            return torch.cat([x, content], dim=-1)
        fused = _last(self.fuse, content)
        if not self.is_fused:
            return x + fused
        scale, shift = fused.chunk(2, dim=-1)
        return x * scale + shift if self.per_place else x * (1 + scale) + shift


def _between(images: Tensor, flow: Tensor | None, share: Tensor) -> Tensor:
    """What two images show in between.

    Args:
        images: float [2, h, w, C].
        flow: float32 [T, h, w, 4] in places; None: the images are blended as they are.
        share: float32 [T, 1, 1, 1].

    Returns:
        float32 [T, h, w, C].
    """
    with in_float32(images):
        images = widened(images)
        first, second = images[:1], images[1:]
        if flow is not None:
            first, second = _warped(first, flow[..., :2]), _warped(second, flow[..., 2:])
        return torch.lerp(first, second, share)


def _later(frames: Tensor, late: float) -> Tensor:
    """Frames [T, ...] at times between them, continued behind the last one."""
    beyond = 2 * frames[-1:] - frames[-2:-1] if len(frames) > 1 else frames
    return torch.lerp(frames, torch.cat([frames[1:], beyond]), late)


def _resized(flow: Tensor | None, rows: int) -> Tensor | None:
    """Flow [T, h, w, 4] for pictures of other rows, and of as many more or fewer columns, in their places."""
    if flow is None or flow.shape[1] == rows:
        return flow
    scale = rows / flow.shape[1]
    size = rows, round(flow.shape[2] * scale)
    return scale * F.interpolate(flow.permute(0, 3, 1, 2), size=size, mode="bilinear").permute(0, 2, 3, 1)


def _warped(image: Tensor, flow: Tensor) -> Tensor:
    """Sample an image [1, h, w, C] where flow [T, h, w, 2] points; beyond the border is the border. [T, h, w, C]."""
    frames, rows, columns, _ = flow.shape
    y = torch.arange(rows, device=flow.device, dtype=flow.dtype)[:, None] + flow[..., 1]
    x = torch.arange(columns, device=flow.device, dtype=flow.dtype) + flow[..., 0]
    places = torch.stack([2 * x / max(columns - 1, 1) - 1, 2 * y / max(rows - 1, 1) - 1], dim=-1)
    source = image.permute(0, 3, 1, 2).expand(frames, -1, -1, -1)
    return F.grid_sample(source, places, padding_mode="border", align_corners=True).permute(0, 2, 3, 1)


def _instance_norm(x: Tensor) -> Tensor:
    """Mean 0 and variance 1 of every channel over frames and places of a clip."""
    variance, mean = torch.var_mean(x, dim=(0, 1, 2), correction=0, keepdim=True)
    return (x - mean) * torch.rsqrt(variance + 1e-5)


def _flow_head(incoming: int) -> nn.Sequential:
    narrow = max(incoming // 4, 4)
    head = nn.Sequential(nn.Conv2d(incoming, narrow, 1), nn.GELU(), nn.Conv2d(narrow, 4, 3, padding=1))
    _zero(head[2])
    return head


def _zero(layer: nn.Module) -> None:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


def _last(layer: nn.Module, x: Tensor) -> Tensor:
    """Apply convolutions to channels-last features."""
    y: Tensor = layer(x.permute(0, 3, 1, 2))
    return y.permute(0, 2, 3, 1)
