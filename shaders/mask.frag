#version 330 core
// Where a repair may change a face, in the green channel. COVERED: something is in front of it.

in vec2 flat_at;
in vec2 tile_at;
in float reached;
in vec2 covered_at;

uniform sampler2D regions; // on the flat face: r eyes, g inner mouth
uniform float edge;        // width of the fade at the tile's edge, in tiles
#ifdef COVERED
uniform sampler2D covered; // r: how surely
#endif

out vec4 colour;

void main() {
    vec2 kept = min(2.0 * texture(regions, flat_at).rg, 1.0); // fades out where the live eye begins to
    vec2 within = clamp(min(tile_at, 1.0 - tile_at) / edge, 0.0, 1.0);
    float allowed = smoothstep(0.0, 1.0, reached) * (1.0 - kept.r) * (1.0 - kept.g) * within.x * within.y;
#ifdef COVERED
    allowed *= 1.0 - texture(covered, covered_at).r;
#endif
    colour = vec4(0.0, allowed, 0.0, 0.0);
}
