"""Layers drawn by one kernel: the same picture, from parameters by the same names."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from nvcodec.decoder.kernels import fuse
from nvcodec.decoder.kernels.layer import FusedLayer, LayerKernel, parts
from nvcodec.decoder.session import Session
from nvcodec.models.msnerv import ConvNeXtLayer, FusionLayer


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
def field(coded):
    return Session(coded()).field(0)


@pytest.fixture
def pretend(monkeypatch):
    """Act as on a GPU, with kernels that do what they are told."""

    def pretend(draw):
        monkeypatch.setattr(fuse, "can_run", lambda device: True)
        monkeypatch.setattr(LayerKernel, "__call__", lambda kernel, x, gops: draw(x, gops, kernel.plan))

    return pretend


def _fused(field):
    return [module for module in field.modules() if isinstance(module, FusedLayer)]


def _fails(x, gops, plan):
    raise RuntimeError("out of shared memory\nand more")


def _zeros(x, gops, plan):
    return x.new_zeros(*x.shape[:3], plan.outgoing)


def _nothing(x, gops, plan):
    return _zeros(x, gops, plan) / 0


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


def test_fields_keep_their_parameters_and_pictures(field, pretend, monkeypatch):
    frames = torch.arange(4)
    with torch.inference_mode():
        before = field(frames).planes
    names, state = [name for name, _ in field.named_parameters()], dict(field.state_dict())
    layers = {id(layer.expand): layer for layer in field.modules() if isinstance(layer, (ConvNeXtLayer, FusionLayer))}
    pretend(_zeros)
    monkeypatch.setattr(fuse, "trouble", lambda layer, kernel: None)
    monkeypatch.setattr(fuse, "draws_sooner", lambda layer, kernel: False)
    assert not _fused(fuse.fused(field))
    monkeypatch.setattr(fuse, "draws_sooner", lambda layer, kernel: True)
    assert fuse.fused(field) is field
    assert len(_fused(field)) == len(layers) > 0
    assert [name for name, _ in field.named_parameters()] == names
    assert all(
        value is field.state_dict()[name] or value.equal(field.state_dict()[name]) for name, value in state.items()
    )
    with torch.inference_mode():
        assert not field(frames).planes[0].equal(before[0])  # zeros, as the kernels were told
    assert all(plane.equal(old) for plane, old in zip(field(frames).planes, before, strict=True))  # where it is trained


def test_kernels_are_made_when_there_is_enough_to_draw(field, pretend, monkeypatch):
    pretend(_zeros)
    monkeypatch.setattr(fuse, "trouble", lambda layer, kernel: None)
    monkeypatch.setattr(fuse, "draws_sooner", lambda layer, kernel: True)
    changes = [fuse.fused_in_time(field, 16) for _ in range(20)]
    assert changes.count(True) == 1 and 16 * changes.index(True) < fuse._WORTH_IT <= 16 * (1 + changes.index(True))
    assert _fused(field)


def test_pictures_too_large_for_a_kernel_are_drawn_by_the_layer():
    kernel = LayerKernel(ConvNeXtLayer(34, 34, 4, 0).eval())
    assert kernel.fits(torch.empty(9, 4320, 7680, 34, device="meta"))
    assert not kernel.fits(torch.empty(1, 8640, 15360, 34, device="meta"))
    assert not kernel.fits(torch.empty(1, 8, 8, 34, dtype=torch.bfloat16, device="meta"))
