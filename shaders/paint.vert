#version 330 core
// Points, lines or triangles in plain colours.

layout(location = 0) in vec3 position; // x, y in target pixels (centres at integers); z in [-1, 1]
layout(location = 1) in vec4 paint;    // premultiplied

uniform vec2 size; // of the target
uniform float point_size;

out vec4 painted;

void main() {
    painted = paint;
    gl_PointSize = point_size;
    gl_Position = vec4(2.0 * (position.xy + 0.5) / size - 1.0, clamp(position.z, -1.0, 1.0), 1.0);
}
