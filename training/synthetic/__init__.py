"""Rendered faces with everything known about them: depth, normals, landmarks, classes, pose, eye closure.

    from training.synthetic.render import Renderer
    with Renderer(128) as renderer:
        face = renderer.face(seed=7)        # training.synthetic.truth.Rendered

`python -m training synthetic --help` draws a contact sheet and measures the speed.
"""

import realtime.render  # noqa: F401  it chooses PyOpenGL's platform, before anything here imports that
