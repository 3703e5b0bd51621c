#version 330 core
// Surfaces as a distant light sees them.

layout(location = 0) in vec3 position;

uniform vec3 shadow_x, shadow_y, shadow_z;
uniform vec4 shadow_box; // centre x, y, half side, centre along the light

out float along;

void main() {
    vec2 seen = vec2(dot(position, shadow_x), dot(position, shadow_y)) - shadow_box.xy;
    along = dot(position, shadow_z) - shadow_box.w;
    gl_Position = vec4(seen / shadow_box.z, along / 1000.0, 1.0);
}
