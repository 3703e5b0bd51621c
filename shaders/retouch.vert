#version 330 core
// The head mesh where a face was drawn, to say where it may be changed.

layout(location = 0) in vec2 position;  // frame pixels
layout(location = 1) in vec2 layout_uv; // place on the flat face, 0..1 on the face itself
layout(location = 2) in float reach;    // 0..1, how much may be changed

uniform vec2 origin; // of what the target shows, frame pixels
uniform vec2 size;   // of that
uniform vec2 square; // top left corner of the network's tile, frame pixels
uniform float side;  // of the tile, frame pixels

out vec2 flat_at;
out vec2 tile_at; // 0..1
out float reached;

void main() {
    flat_at = layout_uv;
    tile_at = (position + 0.5 - square) / side;
    reached = reach;
    gl_Position = vec4(2.0 * (position + 0.5 - origin) / size - 1.0, 0.0, 1.0);
}
