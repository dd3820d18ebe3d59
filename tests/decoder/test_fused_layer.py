"""Layers, beginnings of blocks and heads drawn by kernels: the same picture, from parameters by the same names."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from nvcodec.decoder.kernels import fuse
from nvcodec.decoder.kernels.candidates import parts_of
from nvcodec.decoder.kernels.entry import EntryKernel, FusedBlock
from nvcodec.decoder.kernels.head import FusedHead, HeadKernel
from nvcodec.decoder.kernels.layer import Blocks, FusedLayer, LayerKernel, likely_blocks, parts
from nvcodec.decoder.session import Session
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.msnerv import Block, Conv3x3, ConvNeXtLayer, MSNeRV
from nvcodec.models.msnerv_config import GridLevel, MSNeRVConfig, Upsampling
from nvcodec.types import ChromaFormat


@pytest.mark.skipif(find_spec("triton") is None, reason="Triton comes with torch on Linux where there is CUDA")
def test_kernel_draws_what_its_layer_draws():
    """Run by Triton's interpreter, which wants to know before it is imported."""
    interpreted = Path(__file__).with_name("interpreted_kernels.py")
    done = subprocess.run(
        [sys.executable, interpreted], env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("channels", [*range(1, 80), 90, 127, 128, 129, 136, 272, 544, 4096])
def test_channels_are_cut_in_two_blocks(channels):
    main, tail = parts(channels)
    assert main >= 16 and main.bit_count() == 1 and tail.bit_count() <= 1
    assert channels <= main + tail and (tail == 0 or tail >= 16)
    assert main + tail < max(16, channels + 16, 2 * channels)


@pytest.fixture
def field():
    """As presets have it: of bilinear upsampling alone."""
    torch.manual_seed(0)
    config = MSNeRVConfig(
        (2, 2), (8, 6), (1, 2), (2, 2), (GridLevel(2, 1, 2),), upsampling=Upsampling.BILINEAR, fusion=False
    )
    return MSNeRV(config, FieldGeometry(8, 48, 64, ChromaFormat.YUV444)).eval()


def test_upsampling_of_other_kinds_stays(coded):
    field = Session(coded()).field(0)
    assert field.blocks[0].upsample.kernel is not None
    assert not [part for part in parts_of(field) if isinstance(part.kernels[0], EntryKernel)]


@pytest.fixture
def pretend(monkeypatch):
    """Act as on a GPU, with kernels that do what they are told: given features and the shape of what they draw."""

    def pretend(draw):
        monkeypatch.setattr(fuse, "can_run", lambda device: True)
        monkeypatch.setattr(LayerKernel, "__call__", lambda kernel, x, _: draw(kernel, x, 1, kernel.plan.outgoing))
        monkeypatch.setattr(
            EntryKernel, "__call__", lambda kernel, x, _: draw(kernel, x, kernel.plan.stride, x.shape[3])
        )
        monkeypatch.setattr(HeadKernel, "__call__", lambda kernel, x: draw(kernel, x, 1, kernel.plan.outgoing))

    return pretend


def _fused(field):
    return [module for module in field.modules() if isinstance(module, (FusedLayer, FusedBlock, FusedHead))]


def _fails(kernel, x, stride, outgoing):
    raise RuntimeError("out of shared memory\nand more")


def _zeros(kernel, x, stride, outgoing):
    return x.new_zeros(x.shape[0], stride * x.shape[1], stride * x.shape[2], outgoing)


def _nothing(*told):
    return _zeros(*told) / 0


def test_on_a_cpu_and_without_triton_layers_stay(field, monkeypatch):
    assert not _fused(fuse.fused(field))
    monkeypatch.setattr(fuse, "find_spec", lambda name: None)
    assert not fuse.can_run(torch.device("cuda"))


@pytest.mark.parametrize(
    ("draw", "said"), [(_fails, "RuntimeError: out of shared memory$"), (_zeros, "apart"), (_nothing, "nan apart")]
)
def test_kernels_that_fail_are_not_used(field, pretend, draw, said):
    pretend(draw)
    with pytest.warns(RuntimeWarning, match=said) as warned:
        fuse.fused(field)
    assert not _fused(field) and len(warned) == 1


def _expected(field):
    """What may be drawn by kernels in a field."""
    return [
        module for module in field.modules()
        if isinstance(module, (ConvNeXtLayer, Block)) or (isinstance(module, Conv3x3) and len(module.bias) <= 16)
    ]  # fmt: skip


def test_fields_keep_their_parameters_and_pictures(field, pretend, monkeypatch):
    frames = torch.arange(4)
    with torch.inference_mode():
        before = field(frames).planes
    names, state = [name for name, _ in field.named_parameters()], dict(field.state_dict())
    expected = _expected(field)
    assert {Block, Conv3x3} < {type(module) for module in expected}
    pretend(_zeros)
    monkeypatch.setattr(fuse, "trouble", lambda part, kernel: None)
    monkeypatch.setattr(fuse, "quickest", lambda part, good: None)
    assert not _fused(fuse.fused(field))
    monkeypatch.setattr(fuse, "quickest", lambda part, good: good[0])
    assert fuse.fused(field) is field
    assert len(_fused(field)) == len(expected) and fuse.fused(field) is field and len(_fused(field)) == len(expected)
    assert [name for name, _ in field.named_parameters()] == names
    assert all(
        value is field.state_dict()[name] or value.equal(field.state_dict()[name]) for name, value in state.items()
    )
    with torch.inference_mode():
        assert not field(frames).planes[0].equal(before[0])  # zeros, as the kernels were told
    assert all(plane.equal(old) for plane, old in zip(field(frames).planes, before, strict=True))  # where it is trained


def test_pictures_stay_where_kernels_draw_what_is_drawn_without_them(field, monkeypatch):
    """Through what stands in for layers, blocks and head, each of which calls what it stands for."""
    frames = torch.arange(4)
    with torch.inference_mode():
        before = field(frames).planes
        called = []
        for part in parts_of(field):
            part.put(_Eager(part, called))
        after = field(frames).planes
    assert len(called) == len(_fused(field)) > 2
    assert all(plane.equal(old) for plane, old in zip(after, before, strict=True))


class _Eager:
    """A kernel that draws as it is drawn without."""

    def __init__(self, part, called):
        self.part, self.called = part, called

    def fits(self, x):
        return True

    def __call__(self, x, *beside):
        self.called.append(self.part.name)
        return self.part.draw(x, *beside)


def test_the_quickest_of_the_kernels_that_are_right_draws(field, pretend, monkeypatch):
    """Some do not run, some draw something else, and the rest take their time; a part that none draws sooner stays."""
    pretend(_zeros)
    seconds = {"eager": 5.0}

    def trouble(part, kernel):
        numbers = [id(each) for each in part.kernels]
        number = numbers.index(id(kernel))
        seconds[id(kernel)] = 4.0 - number  # the last is the quickest, and does not run
        return "out of resources" if number == len(part.kernels) - 1 else None

    def milliseconds(draw):
        return seconds.get(id(draw.func), seconds["eager"])

    monkeypatch.setattr(fuse, "trouble", trouble)
    monkeypatch.setattr(fuse, "_milliseconds", milliseconds)
    parts = parts_of(field)
    for part in parts:
        good = [number for number, kernel in enumerate(part.kernels) if trouble(part, kernel) is None]
        assert good == [] or fuse.quickest(part, good) == good[-1] == len(part.kernels) - 2
    seconds["eager"] = 0.5
    assert all(fuse.quickest(part, [0]) is None for part in parts)
    seconds["eager"] = 5.0
    fuse.fused(field)  # without a warning: of each part one kernel runs
    assert len(_fused(field)) == len(parts)


def test_kernels_are_made_when_there_is_enough_to_draw(field, pretend, monkeypatch):
    pretend(_zeros)
    monkeypatch.setattr(fuse, "trouble", lambda part, kernel: None)
    monkeypatch.setattr(fuse, "quickest", lambda part, good: good[0])
    changes = [fuse.fused_in_time(field, 16) for _ in range(20)]
    assert changes.count(True) == 1 and 16 * changes.index(True) < fuse._WORTH_IT <= 16 * (1 + changes.index(True))
    assert _fused(field)


@pytest.mark.parametrize("channels", [5, 34, 68, 136, 272, 544])
def test_likely_blocks_differ(channels):
    blocks = likely_blocks(channels, channels)
    assert 1 <= len(set(blocks)) == len(blocks) <= 4 and all(isinstance(each, Blocks) for each in blocks)


def test_pictures_too_large_for_a_kernel_are_drawn_without(field):
    layer = LayerKernel(ConvNeXtLayer(34, 34, 4, 0).eval())
    head = HeadKernel(Conv3x3(34, 3).eval(), (128, 4))
    entry = next(kernel for part in parts_of(field) for kernel in part.kernels if isinstance(kernel, EntryKernel))
    side = int(2**15 / entry.plan.stride / entry.plan.padded**0.5)
    for kernel, large, too_large in ((layer, 7680, 15360), (head, 7680, 15360), (entry, side, 2 * side)):
        channels = kernel.plan.channels
        assert kernel.fits(torch.empty(9, large * 9 // 16, large, channels, device="meta"))
        assert not kernel.fits(torch.empty(1, too_large, too_large, channels, device="meta"))
        assert not kernel.fits(torch.empty(1, 8, 8, channels, dtype=torch.bfloat16, device="meta"))
