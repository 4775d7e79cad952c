#!/usr/bin/env python3
"""The corpus that the tests replay: `minimise.py TARGET OUT FILES FROM...` copies few small files out of the folders FROM.

libFuzzer tells what every file reaches: edges of the program, each in eight classes of how often. All edges are covered
first, by the file that adds most for its bytes; what is left of FILES goes to classes.
"""

import hashlib
import pathlib
import subprocess
import sys
import tempfile

target, out, most, *folders = sys.argv[1:]
with tempfile.TemporaryDirectory() as work:
    control = pathlib.Path(work, "control")
    merged = pathlib.Path(work, "merged")
    merged.mkdir()
    command = [target, "-set_cover_merge=1", f"-merge_control_file={control}", merged, *folders]
    subprocess.run(command, check=True, capture_output=True)
    lines = control.read_text().splitlines()
# Two counts, the files' names, then what was found of each, by its number.
count = int(lines[0])
names = [pathlib.Path(name) for name in lines[2 : 2 + count]]
classes = [set() for _ in names]
for kind, number, *rest in (line.split() for line in lines[2 + count :]):
    if kind == "FT":
        classes[int(number)] = {int(one) for one in rest}
edges = [{one // 8 for one in own} for own in classes]
sizes = [name.stat().st_size for name in names]

chosen = []
for reached in (edges, classes):
    wanted = set().union(*reached).difference(*(reached[i] for i in chosen))
    while wanted and len(chosen) < int(most):
        best = max(range(count), key=lambda i: len(reached[i] & wanted) / (sizes[i] + 200))
        chosen.append(best)
        wanted -= reached[best]
pathlib.Path(out).mkdir(parents=True, exist_ok=True)
for i in chosen:
    data = names[i].read_bytes()
    pathlib.Path(out, hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)
both = [len(set().union(*(reached[i] for i in chosen))) for reached in (edges, classes)]
of = [len(set().union(*reached)) for reached in (edges, classes)]
print(f"{len(chosen)} of {count} files, {sum(sizes[i] for i in chosen)} bytes: {both[0]} of {of[0]} edges, {both[1]} of {of[1]} classes")
