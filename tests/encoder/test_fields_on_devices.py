"""Every kind of field in training: on a device that nobody may wait for, in bfloat16, and traced by a compiler."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode

from nvcodec.config.fit import LossConfig
from nvcodec.decoder.layers import FinishedLayers
from nvcodec.encoder.fit.loss import Distortion
from nvcodec.encoder.footage.clip import Clip, Footage
from nvcodec.encoder.footage.hiding import exempt
from nvcodec.encoder.footage.units import UnitField, Units
from nvcodec.models import pack_registry
from nvcodec.models.base import VideoField
from nvcodec.models.dnerv import DNeRV
from nvcodec.models.dnerv_config import DNeRVConfig, key_times
from nvcodec.models.een_config import EENConfig
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.msnerv import MSNeRV
from nvcodec.models.msnerv_config import GridLevel, MSNeRVConfig, Upsampling
from nvcodec.models.preview import Preview
from nvcodec.models.previews import preview_shape
from nvcodec.models.qsnerv import QSNeRV
from nvcodec.models.qsnerv_config import QSNeRVConfig, Skip
from nvcodec.types import ChromaFormat, VideoFormat

VIDEO = VideoFormat(53, 37)
FRAMES, GOPS = 6, (0, 4)
CLIP = FieldGeometry(FRAMES, VIDEO.height, VIDEO.width, ChromaFormat.YUV420, GOPS)
MSNERV = MSNeRVConfig((2, 2), (8, 6), (2, 1), (2, 2), (GridLevel(2, 1, 2), GridLevel(4, 2, 3)), shuffle=2)
HINERV = replace(
    MSNERV, window=1, gop_grid=False, local_levels=0, upsampling=Upsampling.BILINEAR, fusion=False, cross_depth=False
)
TENERV = replace(MSNERV, gop_kernels=True)
QSNERV = QSNeRVConfig((2, 2), (3, 3), 7, (6, 5), embedding=3, levels=1, skip_channels=4, growth=2, shuffle=2)
DNERV = DNeRVConfig((2, 2), (8, 6), 5, 4, shuffle=2, clip=4, tile=32, overlap=8)
DEVICE = torch.device("meta")
"""Has shapes and autograd but no numbers: what would wait for a GPU to tell one fails."""


Unwaited = Callable[[], AbstractContextManager[None]]


class Scene(NamedTuple):
    """A field and what it is fitted to."""

    field: VideoField
    footage: Footage
    frames: Tensor


def _clip(device: torch.device, seed: int = 0) -> Clip:
    rng = np.random.default_rng(seed)
    planes = (rng.integers(0, 256, (FRAMES, *shape)).astype(np.uint8) for shape in VIDEO.plane_shapes)
    hidden = (rng.integers(0, 2, (FRAMES, *shape)).astype(bool) for shape in VIDEO.plane_shapes)
    clip = Clip(VIDEO, tuple(map(torch.from_numpy, planes)), tuple(map(torch.from_numpy, hidden)))
    return clip.to(device)


def _numbered(field: VideoField) -> VideoField:
    """Parameters that are all different from zero."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in field.parameters():
            parameter.copy_(0.2 * torch.randn_like(parameter))
    return field


def _single(field: VideoField, device: torch.device) -> Scene:
    frames = torch.tensor([5, 1])
    where = device if field.capturable else torch.device("cpu")
    return Scene(_numbered(field).to(device), _clip(device), frames.to(where))


def _grouped(config: MSNeRVConfig, apart: bool) -> Callable[[torch.device], Scene]:
    def scene(device: torch.device) -> Scene:
        field = MSNeRV(config, CLIP)
        field.groups.apart = apart
        return _single(field, device)

    return scene


def _archive(device: torch.device) -> Scene:
    clips = [_clip(device), replace(_clip(device, 1), hidden=None)]
    keys = [[_clip(torch.device("cpu")).frame(time) for time in key_times(FRAMES, DNERV.clip)] for _ in clips]
    units = Units(DNERV, clips, keys)
    return Scene(_numbered(UnitField(units)).to(device), units, torch.tensor([len(units) - 1]))


def _pack(device: torch.device) -> Scene:
    """A second pack on a first on a base."""
    shape, base = MSNERV.pyramid(CLIP), _numbered(MSNeRV(MSNERV, CLIP)).to(device)
    below = FinishedLayers(base.requires_grad_(False), 1 << 20)
    config = EENConfig((5, 4), (3, 5), 2, 3)
    first = _numbered(pack_registry.build(config, CLIP, shape, below)).to(device)
    below.add(first)
    return _single(pack_registry.build(config, CLIP, shape, below), device)


def _preview(device: torch.device) -> Scene:
    shape = preview_shape(MSNERV.pyramid(CLIP), CLIP, 2, 1, 2)
    scene = _single(Preview(MSNeRV(MSNERV, CLIP), shape), device)
    small = VideoFormat(scene.field.geometry.width, scene.field.geometry.height)
    planes = tuple(torch.zeros((FRAMES, *size), dtype=torch.uint8, device=device) for size in small.plane_shapes)
    return scene._replace(footage=Clip(small, planes))


SCENES: dict[str, Callable[[torch.device], Scene]] = {
    "msnerv": _grouped(MSNERV, apart=True),
    "hinerv": _grouped(HINERV, apart=True),
    "tenerv, together": _grouped(TENERV, apart=False),
    "tenerv, apart": _grouped(TENERV, apart=True),
    "qsnerv": lambda device: _single(QSNeRV(QSNERV, CLIP), device),
    "qsnerv, convolutions": lambda device: _single(QSNeRV(replace(QSNERV, skip=Skip.CONV), CLIP), device),
    "hnerv": lambda device: _single(QSNeRV(replace(QSNERV, skip=Skip.NONE, levels=0), CLIP), device),
    "dnerv": _archive,
    "een": _pack,
    "preview": _preview,
}
every_scene = pytest.mark.parametrize("build", SCENES.values(), ids=SCENES)


@pytest.fixture
def no_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    """:data:`DEVICE` has none that could be turned off."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())


def _drawn(scene: Scene) -> tuple[tuple[Tensor, ...], list[Tensor], tuple[Tensor, ...]]:
    """Planes, features, targets of a step."""
    targets, hidden = scene.footage.targets(scene.frames), scene.footage.hidden_in(scene.frames)
    planes, features = scene.field(scene.frames)
    return planes, features, exempt(targets, planes, hidden, 0.5)


def test_the_guard_notices_what_would_wait(unwaited: Unwaited) -> None:
    x, numbers = torch.zeros(3, device=DEVICE), torch.tensor([0, 1])
    waits: list[Callable[[], object]] = [
        lambda: torch.tensor([1.0], device=DEVICE),
        lambda: x.new_tensor([1.0]),
        lambda: numbers.to(DEVICE),
        lambda: x[numbers],
        lambda: x[0].item(),
        lambda: x.tolist(),
        lambda: x.cpu(),
        lambda: x[x > 0],
        lambda: bool((x > 0).any()),
        lambda: x.__setitem__(numbers.to(DEVICE, non_blocking=True), 0.5),
    ]
    with unwaited():
        for wait in waits:
            with pytest.raises((AssertionError, RuntimeError, NotImplementedError)):
                wait()
        assert x[numbers.to(DEVICE, non_blocking=True)].shape == (2,)
        x[:2] = 0.5
        x.masked_fill_(x > 0, 0).index_fill_(0, numbers.to(DEVICE, non_blocking=True), 0)


@every_scene
@pytest.mark.usefixtures("no_autocast")
def test_a_step_waits_for_nothing(build: Callable[[torch.device], Scene], unwaited: Unwaited) -> None:
    scene = build(DEVICE)
    with unwaited():
        planes, _, targets = _drawn(scene)
        sum(((a - b).square().mean() for a, b in zip(planes, targets, strict=True)), torch.zeros(())).backward()
        scene.footage.note(int(scene.frames[0]) if not scene.field.capturable else 0, planes, targets)
    assert all(plane.device == DEVICE for plane in planes)
    assert all(parameter.grad is not None for name, parameter in scene.field.named_parameters() if _learns(scene, name))


def _learns(scene: Scene, name: str) -> bool:
    """Whether a parameter has a part in what is drawn."""
    unused = isinstance(scene.field, MSNeRV) and not scene.field.groups.apart and name.endswith(".deltas")
    return not unused and not (isinstance(scene.field, Preview) and name.startswith("base."))


@pytest.mark.usefixtures("no_autocast")
@pytest.mark.parametrize("kind", ["psnr", "adaptive", "hinerv", "ssim"])
@pytest.mark.parametrize("domain", [ChromaFormat.YUV420, ChromaFormat.RGB])
@pytest.mark.parametrize("size", [(37, 53), (90, 101)], ids=["few scales", "five scales"])
def test_a_loss_waits_for_nothing(kind: str, domain: ChromaFormat, size: tuple[int, int], unwaited: Unwaited) -> None:
    geometry = FieldGeometry(FRAMES, *size, domain)
    field = MSNeRV(MSNERV, geometry).to(DEVICE)
    distortion = Distortion(LossConfig(kind, multi_resolution=True, high_frequency=True), field).to(DEVICE)
    frames = torch.zeros(2, dtype=torch.int64, device=DEVICE)
    with unwaited():
        planes, features = field(frames)
        distortion(planes, tuple(map(torch.rand_like, planes)), features, torch.full((), 0.9, device=DEVICE)).backward()
    assert field.head.weight.grad is not None


def test_quality_of_an_archive_is_known_without_asking_for_it() -> None:
    units = _archive(torch.device("cpu")).footage
    assert isinstance(units, Units)
    unknown = units.shown_db
    assert unknown.isnan()  # and key frames have been compared, which is done once
    units.noted.fill_(1e-3)
    asked: list[Any] = []

    class Asked(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            asked.append(func)
            return func(*args, **(kwargs or {}))

    with Asked():
        shown = units.shown_db
    assert not {torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default} & {*asked}
    exact = 3 * 70  # key frames of the first video are its own; of the other, they are worse than what is drawn
    assert float(shown) == pytest.approx(((exact + 3 * 30) / 6 + 30) / 2, abs=0.01)


@every_scene
def test_bfloat16_draws_nearly_the_same(build: Callable[[torch.device], Scene]) -> None:
    scene = build(torch.device("cpu"))
    exact, embedding, _ = _drawn(scene)
    with torch.autocast("cpu", torch.bfloat16):
        planes, features, targets = _drawn(scene)
    loss = sum(((a - b).square().mean() for a, b in zip(planes, targets, strict=True)), torch.zeros(()))
    loss.backward()
    for plane, expected in zip(planes, exact, strict=True):
        assert plane.dtype is torch.float32
        assert not torch.equal(plane, plane.bfloat16().float())  # what heads draw is finer than eight bits
        assert (plane - expected).abs().max() < 0.1 * expected.std() + 0.02
    assert all(map(torch.equal, features[:1], embedding[:1]))  # what is stored over time is not rounded on its way
    gradients = [p.grad for p in scene.field.parameters() if p.grad is not None]
    assert gradients and all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("flow", [0.4, -3.7])
def test_key_frames_are_warped_as_exactly_in_bfloat16(flow: float) -> None:
    """Places above 256 are whole samples in bfloat16, and above 512 every other one."""
    geometry = FieldGeometry(4, 32, 1100, ChromaFormat.YUV420)
    field = DNeRV(replace(DNERV, tile=0, channels=(4, 4), key_channels=2), geometry).requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    shapes = [(field.video.key_count, 32, 1100), *[(field.video.key_count, 16, 550)] * 2]
    field.video.set_key_frames(
        tuple(torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8) for shape in shapes), 255
    )
    field.network.flows[str(len(DNERV.strides))][2].bias.fill_(flow)
    field.network.head[2].bias.fill_(0.3)  # which bfloat16 does not have
    exact = field(torch.arange(4)).planes
    with torch.autocast("cpu", torch.bfloat16):
        planes = field(torch.arange(4)).planes
    for plane, expected in zip(planes, exact, strict=True):
        torch.testing.assert_close(plane, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("bfloat16", [False, True])
@pytest.mark.parametrize("name", [name for name, build in SCENES.items() if build(DEVICE).field.capturable])
def test_a_compiler_sees_one_graph_for_all_frames(name: str, bfloat16: bool) -> None:
    field, _, frames = SCENES[name](torch.device("cpu"))
    parameters = {name: parameter.detach().requires_grad_() for name, parameter in field.named_parameters()}

    def draw(parameters: dict[str, Tensor], frames: Tensor) -> tuple[Tensor, ...]:
        planes: tuple[Tensor, ...] = functional_call(field, parameters, (frames, None)).planes
        return planes

    with ExitStack() as stack:
        stack.callback(torch._dynamo.reset)
        torch._dynamo.reset()
        counters.clear()
        compiled = torch.compile(draw, backend="eager", fullgraph=True)
        if bfloat16:
            stack.enter_context(torch.autocast("cpu", torch.bfloat16))
        for chosen in (frames, frames.flip(0) - 1):
            for plane, expected in zip(compiled(parameters, chosen), draw(parameters, chosen), strict=True):
                torch.testing.assert_close(plane, expected)
        assert not counters["graph_break"] and counters["stats"]["unique_graphs"] == 1
