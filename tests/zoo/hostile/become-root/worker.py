import os
import subprocess

from hostile import refused, succeeded

if os.getuid() == 0:
    effective = next(line for line in open("/proc/self/status") if line.startswith("CapEff"))
    held = int(effective.split()[1], 16)
    succeeded(f"it is root, capabilities {held:x}") if held else refused("root without a capability")
else:
    for command in (["sudo", "-n", "id", "-u"], ["su", "-c", "id -u"]):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=10, stdin=subprocess.DEVNULL)
        except (OSError, subprocess.SubprocessError):
            continue
        if done.stdout.strip() == "0":
            succeeded(command[0])
            break
    else:
        refused("no program makes it root")
