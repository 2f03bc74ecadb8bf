import os
from pathlib import Path

from hostile import refused, succeeded

found = []
for home in (Path("/root"), *Path("/home").glob("*")):
    for name in (".bashrc", ".profile", ".ssh", ".gitconfig", ".bash_history"):
        try:
            (home / name).stat()
            if (home / name).is_file():
                with open(home / name, "rb") as file:
                    file.read(1)
            else:
                os.listdir(home / name)
            found.append(str(home / name))
        except OSError:
            continue
succeeded(found[0]) if found else refused("nothing can be read")
