import os

from hostile import refused, succeeded

opened = []
try:
    for _ in range(5000):
        opened.append(os.open(os.devnull, os.O_RDONLY))
    succeeded("5000 files are open")
except OSError as problem:
    refused(str(problem))
for descriptor in opened:
    os.close(descriptor)
