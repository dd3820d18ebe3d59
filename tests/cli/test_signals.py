"""Being asked to end: an encode keeps its state, everything else tidies up, and nothing prints a traceback."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs signals")


def _signalled(number: int, awaited: str, *words: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run the program, and send it a signal when it says something of a kind."""
    program = ["sh", "-c", f'{before} exec "$0" -m nvcodec "$@"', sys.executable, *words, "--progress", "json"]
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if awaited in line:
                break
        running.send_signal(number)
        _, err = running.communicate(timeout=300)
    return subprocess.CompletedProcess(program, running.returncode, "", err)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_an_encode_keeps_its_state(clip, tmp_path, monkeypatch, number):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", f"{tmp_path}-torch")  # kept by torch, on purpose
    (tmp_path / "temporary").mkdir()
    shutil.copy(clip, "clip.y4m")
    words = ["encode", "clip.y4m", "-o", "x.nvc", "--preset", "draft", "--epochs", "60", "--params", "2000"]
    done = _signalled(number, '"step"', *words)
    assert done.returncode == 128 + number
    assert done.stderr.endswith("the state is saved\n  Go on with:  nvc encode --resume x.nvc.work\n")
    assert sorted(os.listdir()) == ["clip.y4m", "temporary", "x.nvc.work"] and not os.listdir("temporary")
    assert sorted(os.listdir("x.nvc.work")) == ["job.json", "source.sha256", "state.npz"]


def test_a_decode_leaves_nothing(coded, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = _signalled(signal.SIGTERM, '"frames"', "decode", str(coded), "-o", "x.mkv", "--interpolate", "32")
    assert done.returncode == 143 and done.stderr.endswith("error: interrupted\n")
    assert os.listdir() == []


def test_what_is_ignored_stays_ignored(coded, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("decode", str(coded), "-o", "x.yuv", "--interpolate", "8")
    done = _signalled(signal.SIGHUP, '"frames"', *words, before="trap '' HUP;")  # what nohup does
    assert done.returncode == 0 and os.listdir() == ["x.yuv"]


_INTERRUPTED = """
    import os, runpy, signal, sys
    module, sys.argv[1:] = sys.argv[1], sys.argv[2:]
    class Interrupting:
        @staticmethod
        def find_spec(name, *_):
            if name == module:
                os.kill(os.getpid(), signal.SIGINT)
    sys.meta_path.insert(0, Interrupting)
    runpy.run_module("nvcodec", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("module", ["nvcodec.cli.main", "click", "nvcodec.cli.info", "numpy"])
def test_ctrl_c_while_modules_are_imported(coded, module):
    program = [sys.executable, "-c", textwrap.dedent(_INTERRUPTED), module, "info", str(coded)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 130 and done.stderr in ("interrupted\n", "error: interrupted\n"), done.stderr


def test_the_program_begins_where_nothing_is_imported():
    """All modules that Ctrl-C could fall into before it is handled."""
    program = "import sys; before = set(sys.modules); import nvcodec.__main__; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True)
    ours = {name for name in done.stdout.split() if name.startswith("nvcodec")}
    assert ours == {"nvcodec", "nvcodec.__main__", "nvcodec.version"}
    assert not {"typing", "click", "logging"} & set(done.stdout.split())
