import resource

from hostile import refused, succeeded

raised = []
for name in ("RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_CORE"):
    try:
        resource.setrlimit(getattr(resource, name), (1 << 40, 1 << 40))
        raised.append(name)
    except (OSError, ValueError):
        continue
succeeded(raised[0]) if raised else refused("none can be raised")
