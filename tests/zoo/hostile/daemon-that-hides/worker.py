import os

from hostile import contained, daemon_command

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        os.execv(*daemon_command())
    os._exit(0)
os.wait()
contained("a daemon was started; whether it is left shows in the end")
