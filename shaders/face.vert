#version 330 core
// A piece of a synthetic picture (training/synthetic), in camera axes: x right, y down, z away, millimetres.

layout(location = 0) in vec3 position;
layout(location = 1) in vec3 normal;
layout(location = 2) in vec2 at;     // on the atlas of skin detail
layout(location = 3) in vec3 base;   // see training/synthetic/parts.py
layout(location = 4) in vec4 cover;  // hair, open sky, gloss, relief
layout(location = 5) in vec2 kind;   // mode, class

uniform vec2 focal;       // pixels of the target
uniform vec2 principal;   // pixels of the target, centres at integers
uniform vec2 size;
uniform vec2 depth_range; // nearest and furthest, mm

out vec3 place;
out vec3 facing;
out vec2 atlas_at;
out vec3 base_at;
out vec4 cover_at;
flat out vec2 kind_at;

void main() {
    place = position;
    facing = normal;
    atlas_at = at;
    base_at = base;
    cover_at = cover;
    kind_at = kind;
    float near = depth_range.x, far = depth_range.y, z = position.z;
    vec2 centred = 2.0 * (focal * position.xy + (principal + 0.5) * z) / size - z; // times z
    gl_Position = vec4(centred, (far + near) / (far - near) * z - 2.0 * far * near / (far - near), z);
}
