import sys

print("<script>alert('attack')</script><img src=x onerror=alert(1)>", flush=True)
print("\x1b[2J\x1b]0;attack\x07\x1b[31mred", flush=True)
print("=HYPERLINK(\"http://attack\")", flush=True)
sys.stdout.buffer.write(b"\0\xff\xfe\x9b31m\n")
sys.stdout.flush()
