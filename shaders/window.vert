#version 330 core
// A rectangle of the window, filled with a picture.

uniform vec2 window;    // size of the window's framebuffer, pixels
uniform vec4 rectangle; // x, y (of its top left corner, y down), width, height, pixels
uniform float mirror;   // 1: left and right exchanged

out vec2 picture_at;

void main() {
    vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
    picture_at = vec2(mix(corner.x, 1.0 - corner.x, mirror), corner.y);
    vec2 at = (rectangle.xy + corner * rectangle.zw) / window;
    gl_Position = vec4(2.0 * at.x - 1.0, 1.0 - 2.0 * at.y, 0.0, 1.0); // the screen's row 0 is NDC y = +1
}
