"""Whatever the options allow, an encode can be planned, and its rate steered, without a number running away."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nvcodec.config.options import PRESETS, EncodeOptions, changed
from nvcodec.config.target import RateTarget, TargetKind
from nvcodec.encoder.fit.goal import Goal
from nvcodec.encoder.fit.rate import Reading
from nvcodec.encoder.fit.schedule import Budget, learning_rate, rate_ramp
from nvcodec.encoder.plan.plan import make_plan
from nvcodec.models.registry import MODELS
from nvcodec.types import VideoFormat


def _ends(low: float, high: float) -> st.SearchStrategy[float]:
    return st.sampled_from([low, high]) | st.floats(low, high)


_TARGETS: dict[str, st.SearchStrategy[Any]] = {
    "crf": _ends(0, 63),
    "bpp": _ends(1e-300, 1e4),
    "bitrate": _ends(1e-3, 1e12),
    "target_size": _ends(1, 1e12),
    "target_psnr": _ends(1e-300, 100),
}
_OTHERS: dict[str, st.SearchStrategy[Any]] = {
    "epochs": _ends(1e-300, 1e6),
    "parameters": st.none() | _ends(1, 1e9),
    "segment": st.none() | st.sampled_from([1, 2, (1 << 32) - 1]),
    "preset": st.sampled_from(PRESETS),
    "model": st.sampled_from([model.name for model in MODELS]),
    "settings": st.fixed_dictionaries(
        {},
        optional={
            "fit.warmup": _ends(0, 1),
            "fit.final_learning_rate": _ends(0, 1),
            "fit.learning_rate": _ends(1e-9, 10),
            "fit.rate_from": _ends(0, 1),
            "fit.rate_reached": _ends(0, 1),
        },
    ),
}
_asked = st.tuples(
    st.sampled_from(sorted(_TARGETS)).flatmap(lambda name: st.tuples(st.just(name), _TARGETS[name])),
    st.fixed_dictionaries({}, optional=_OTHERS),
)
_frame_rates = st.sampled_from([Fraction(1, (1 << 32) - 1), Fraction(25), Fraction((1 << 32) - 1)])
_readings = st.lists(
    st.tuples(_ends(0, 1e12), _ends(-100, 160), _ends(0, 1), _ends(0, 1), _ends(0, 1)).map(lambda each: Reading(*each)),
    max_size=8,
)


@given(_asked, _frame_rates, st.sampled_from([(1, 1, 1), (64, 48, 3), (16_384, 16_384, 2)]), _readings)
def test_nothing_within_bounds_runs_away(
    asked: tuple[tuple[str, Any], dict[str, Any]],
    fps: Fraction,
    size: tuple[int, int, int],
    readings: list[Reading],
) -> None:
    (name, value), others = asked
    options = changed(EncodeOptions(), {"preset": "draft", **others, name: value})
    width, height, frames = size
    plan = make_plan([(VideoFormat(width, height, fps), frames)], options)
    assert plan.size >= 0 and all(steps >= 1 for steps in plan.steps)
    target = RateTarget.of(options)
    psnr_db = target.value if target.kind is TargetKind.PSNR else None
    weight = Goal(None if plan.limit is None else max(plan.limit, 1), psnr_db, plan.crf).weight()
    for reading in readings:
        weight.update(reading)
        assert math.isfinite(weight.value) and weight.value >= 0
    for progress in (0.0, 0.5, 1.0):
        assert 0 <= learning_rate(progress, plan.settings.fit) < math.inf
        assert 0 <= rate_ramp(progress, plan.settings.fit) <= 1
    assert all(Budget(steps).progress == 0 for steps in plan.steps)
