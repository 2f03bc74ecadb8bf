import time

hoard = []
for _ in range(50):
    hoard.append(bytearray(8 << 20))
time.sleep(30)
