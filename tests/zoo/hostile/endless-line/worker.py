import sys

for _ in range(6000):
    sys.stdout.write("x" * 10_000)
print()
