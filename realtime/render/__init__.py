"""Everything drawn with OpenGL 3.3: contexts, GL objects, the canvas a frame is drawn on, and the renderer over it.

PyOpenGL chooses its platform when it is first imported, so every module that imports OpenGL imports this package
first. On Linux all contexts, the window's too, are made through EGL: it works with and without a display.
"""

import os
import sys

if sys.platform.startswith("linux"):
    os.environ.setdefault("PYOPENGL_PLATFORM", "egl")
