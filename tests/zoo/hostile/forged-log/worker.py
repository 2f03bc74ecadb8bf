import signal
import time

print("worker started, poll interval 0.2 s, connected", flush=True)
signal.signal(signal.SIGTERM, lambda *_: exit(0))
for number in range(1, 3000):
    print(f"no pending tasks\nclaimed task={number} title='x'\ncompleted task={number} after 0.30 s", flush=True)
    time.sleep(0.1)
