#version 330 core
// The head mesh where a face was drawn, in a network's tile.

layout(location = 0) in vec2 position;  // frame pixels
layout(location = 1) in vec2 layout_uv; // place on the flat face, 0..1 on the face itself
layout(location = 2) in float reach;    // 0..1, how much may be changed

uniform vec2 origin; // top left corner of the tile, frame pixels
uniform float side;  // of the tile, frame pixels
uniform vec3 covered_x; // frame pixels → place on the map of what covers the face, 0..1
uniform vec3 covered_y;

out vec2 flat_at;
out vec2 tile_at; // 0..1
out float reached;
out vec2 covered_at; // 0..1

void main() {
    flat_at = layout_uv;
    tile_at = (position + 0.5 - origin) / side;
    reached = reach;
    covered_at = vec2(dot(covered_x, vec3(position, 1.0)), dot(covered_y, vec3(position, 1.0)));
    gl_Position = vec4(2.0 * tile_at - 1.0, 0.0, 1.0);
}
