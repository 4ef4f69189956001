#!/usr/bin/env bash
# Train for a given time on a machine with Python 3.12, torch 2.11 and CUDA but no network; runs on a CPU just as well.
#
#   tools/gpu_train.sh FOLDER MINUTES OUT [OPTION of `python -m hvqcgic.train`]...
#   tools/gpu_train.sh gpu 25 gpu-out --stage backbone --training.steps 40000 --pictures.batch_size 64
#
# FOLDER is what tools/pack_gpu_training.py made. OUT gets run.tar.00, run.tar.01, ... of at most 15 MB each, which hold
# checkpoints, log and TensorBoard files (`cat OUT/run.tar.* | tar x`). To go on, pack OUT with --resume and give the same
# options; the training continues at its step. KEEP_OPTIMISER=0 leaves the optimiser's state out, two thirds of the size.
# Where the time is up before the first step, OUT stays as it is and the code is 124.
set -euo pipefail

[ $# -ge 3 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
folder=$(realpath "$1") minutes=$2 out=$(realpath -m "$3")
shift 3
python=${PYTHON:-python3}
root=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")
[ -d "$folder/pictures" ] || { echo "gpu_train: $folder/pictures is not there; pack it with tools/pack_gpu_training.py" >&2; exit 2; }
mkdir -p "$out"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
path=$root
if compgen -G "$folder/wheels/*.whl" >/dev/null; then
    "$python" -m pip install --quiet --no-index --no-deps --no-compile --target "$work/site" "$folder"/wheels/*.whl
    path=$root:$work/site
fi
export PYTHONPATH=$path${PYTHONPATH:+:$PYTHONPATH}
[ ! -d "$folder/torch_home" ] || export TORCH_HOME=$folder/torch_home

mkdir "$work/run"
start=(--init none)
if compgen -G "$folder/resume/run.tar.*" >/dev/null; then
    cat "$folder"/resume/run.tar.* | tar x -C "$work"
    start+=(--resume true)
elif [ -f "$folder/start.ckpt" ]; then
    start=(--init "$folder/start.ckpt")
fi

# SIGTERM at the end of the time: the training finishes its step, saves, and ends.
touch "$work/began"
code=0
timeout --kill-after=120 "${minutes}m" "$python" -u -m hvqcgic.train \
    --data "$folder/pictures/train" --val "$folder/pictures/val" --out "$work/run" "${start[@]}" "$@" \
    2>&1 | tee -a "$work/run/train.log" || code=${PIPESTATUS[0]}

if [ "$code" = 124 ] && [ -z "$(find "$work/run" -name '*.ckpt' -newer "$work/began")" ]; then
    echo "gpu_train: $minutes minutes were up before the first step was taken, $out is as it was; give more minutes" >&2
    exit 124
fi

if [ "${KEEP_OPTIMISER:-1}" = 0 ]; then
    "$python" - "$work/run" <<'PYTHON'
import pathlib
import sys

import torch

for path in pathlib.Path(sys.argv[1]).glob("*.ckpt"):
    checkpoint = torch.load(path, map_location="cpu", weights_only=False)
    torch.save(checkpoint | {"optimizer_states": []}, path)
PYTHON
fi
rm -f "$out"/run.tar.*
tar c -C "$work" run | split --bytes=15000000 --numeric-suffixes - "$out/run.tar."
ls -l "$out"

# 124: the time was up, as intended.
[ "$code" = 0 ] || [ "$code" = 124 ] || { echo "gpu_train: the training failed with code $code; see train.log in run.tar" >&2; exit "$code"; }
