"""The papers' own runs: what there is to run, and what is said where clips are missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.ablation.study import load_study
from benchmarks.gpu import papers
from nvcodec.config.recipe import RECIPES

FULL = sorted((Path(papers.__file__).parents[1] / "studies" / "full").glob("*.toml"))


@pytest.mark.parametrize("path", FULL, ids=lambda path: path.stem)
def test_every_row_is_a_recipe_in_full(path: Path) -> None:
    study = load_study(path)
    assert path.stem in papers.STUDIES
    for row in study.configurations:
        assert row.not_built is None and row.recipe in RECIPES
        for clip in study.clips:
            options = row.options(clip, epochs=row.epochs(clip))
            assert options.epochs is None and options.domain == "rgb"
            assert options.parameters == clip.options["params"] * row.scale / (1 + sum(row.layers))


def test_what_has_no_clips_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert papers.main(["--clips", str(tmp_path), "--out", str(tmp_path / "out"), "--device", "cpu"]) == 0
    said = capsys.readouterr().err
    assert all(f"{name} is left out" in said for name in (*papers.STUDIES, "uvg_archive"))
    assert papers.main(["--out", str(tmp_path / "out"), "--list"]) == 0
    assert "qsnerv-0.75M-0.75M" in capsys.readouterr().out
