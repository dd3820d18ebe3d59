#!/bin/sh
# What made the samples. The first command needs the 132-frame "bunny" test clip (1280x720, 25 fps).
set -eu
cd "$(dirname "$0")"
BIN=${BIN:-../.venv/bin}
if [ $# -gt 0 ]; then
    "$BIN/python" ../tools/make_sample.py "$1" bunny_320x180_25.mkv --shrink 4 --seek 80 --frames 48
fi
"$BIN/nvc" encode bunny_320x180_25.mkv -o bunny_320x180.nvc --bpp 0.25 --preset draft -y
