"""Child processes: what they print, how they end, and what is measured of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nvcodec.eval.process import run_measured

measurable = pytest.mark.skipif(not hasattr(os, "wait4"), reason="the system does not tell")
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals")

_MIB = 1 << 20


def _python(program: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", program]


@pytest.fixture(params=["measured", "without wait4"])
def either_way(request, monkeypatch):
    """As the system is, and as on Windows."""
    if request.param == "without wait4":
        monkeypatch.delattr(os, "wait4", raising=False)
    return request.param


def test_what_it_prints(either_way):
    heard = []
    program = r"import sys; print('done'); sys.stderr.buffer.write(b'one\ntwo \xff\r\nthree'); sys.exit(6)"
    done = run_measured(_python(program), heard.append)
    assert done.returncode == 6 and done.stdout.split() == [b"done"]
    assert heard == ["one", "two \ufffd", "three"] and done.stderr == "one\ntwo \ufffd\nthree"
    assert done.wall_s > 0


def test_lines_are_heard_while_it_runs(either_way, tmp_path):
    heard = tmp_path / "heard"
    # the child goes on only when its line has been heard
    program = f"""
import os, sys, time
print("ready", file=sys.stderr, flush=True)
until = time.monotonic() + 20
while not os.path.exists({str(heard)!r}):
    if time.monotonic() > until: sys.exit(1)
    time.sleep(0.01)
"""
    assert run_measured(_python(program), lambda line: heard.touch()).returncode == 0


def test_much_output_on_both_sides(either_way):
    program = "import sys\nfor _ in range(40):\n sys.stdout.write('o' * 65536)\n sys.stderr.write('e' * 65535 + '\\n')"
    done = run_measured(_python(program))
    assert len(done.stdout) == 40 * 65536 and done.stderr.count("e") == 40 * 65535


def test_no_standard_input(either_way):
    assert run_measured(_python("import sys; print(sys.stdin.read() == '')")).stdout.split() == [b"True"]


def test_program_is_missing(either_way, tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        run_measured([str(tmp_path / "nowhere")])
    assert either_way == "without wait4" or error.value.filename == str(tmp_path / "nowhere")


def test_nothing_is_measured_where_the_system_does_not_tell(monkeypatch):
    monkeypatch.delattr(os, "wait4", raising=False)
    done = run_measured(_python("pass"))
    assert done.peak_bytes is None and done.cpu_s is None


@measurable
def test_peak_memory_is_that_of_the_child():
    ours = bytearray(120 * _MIB)
    ours[:: 1 << 12] = b"x" * len(ours[:: 1 << 12])
    small = run_measured(_python("pass")).peak_bytes
    large = run_measured(_python(f"b = b'x' * {60 * _MIB}")).peak_bytes
    assert small is not None and large is not None
    assert small < 60 * _MIB < large < 110 * _MIB


@measurable
def test_what_the_child_waited_for_counts():
    command = _python(f"b = b'x' * {60 * _MIB}")
    done = run_measured(_python(f"import subprocess; subprocess.run({command!r}, check=True)"))
    assert done.returncode == 0 and done.peak_bytes is not None and done.peak_bytes > 60 * _MIB


@measurable
def test_cpu_time_is_not_waiting():
    done = run_measured(_python("import time; time.sleep(0.5)"))
    assert done.wall_s >= 0.5 and done.cpu_s is not None and done.cpu_s < done.wall_s


@posix
def test_ended_by_a_signal(either_way):
    done = run_measured(_python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
    assert done.returncode == -signal.SIGKILL


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux which signals are ignored")
def test_signals_work_as_in_a_program_of_its_own(either_way):
    """Python ignores some signals, which a program that it starts would go on ignoring."""
    shell = "sed -n 's/^SigIgn:[[:space:]]*//p' /proc/self/status"
    ignored = int(run_measured(["/bin/sh", "-c", shell]).stdout, 16)
    numbers = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM)
    assert not [number.name for number in numbers if ignored >> (number - 1) & 1]


def test_a_listener_that_fails_ends_the_child(either_way):
    def listen(line: str) -> None:
        raise ValueError(line)

    began = time.monotonic()
    with pytest.raises(ValueError, match="hello"):
        run_measured(_python("import sys, time; print('hello', file=sys.stderr, flush=True); time.sleep(60)"), listen)
    assert time.monotonic() - began < 30


_CALLER = """
import sys
from nvcodec.eval.process import run_measured

def heard(line):
    print(line, flush=True)

if "bare" in sys.argv:
    import os
    del os.wait4
try:
    run_measured([sys.executable, "-c", sys.argv[1]], heard)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
_CHILD = """
import sys, time
try:
    print("ready", file=sys.stderr, flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(0.3)
    print("saved", file=sys.stderr, flush=True)
"""


@posix
@pytest.mark.parametrize("mode", ["measured", "bare"])
def test_interrupt_lets_the_child_finish(mode):
    caller = subprocess.Popen(
        [sys.executable, "-c", _CALLER, _CHILD, mode], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert caller.stdout is not None
    with caller:
        assert caller.stdout.readline() == "ready\n"
        os.killpg(caller.pid, signal.SIGINT)  # as a terminal does on Ctrl-C
        assert caller.stdout.read() == "saved\ninterrupted\n"
    assert caller.returncode == 0
