import fcntl
import termios

from hostile import attempt

attempt(lambda: fcntl.ioctl(open("/dev/tty"), termios.TIOCSTI, b"x"))
