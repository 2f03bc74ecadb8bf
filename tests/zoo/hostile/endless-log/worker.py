import sys

for _ in range(6000):
    sys.stdout.write("y" * 99 + "\n" + "z" * 9899 + "\n")
