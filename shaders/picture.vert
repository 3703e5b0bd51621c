#version 330 core
// A rectangle of a target, filled with a picture.

layout(location = 0) in vec2 position; // pixels of the target, pixel edges
layout(location = 1) in vec2 at;       // 0..1 in the picture

uniform vec2 size; // of the target

out vec2 picture_at;

void main() {
    picture_at = at;
    gl_Position = vec4(2.0 * position / size - 1.0, 0.0, 1.0);
}
