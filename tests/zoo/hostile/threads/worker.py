import threading
import time

for _ in range(400):
    threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
time.sleep(30)
