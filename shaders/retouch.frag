#version 330 core
// Adds a correction to the picture where that is allowed. MASK draws only where: into the green channel.

in vec2 flat_at;
in vec2 tile_at;
in float reached;

uniform sampler2D regions; // on the flat face: r eyes, g inner mouth
uniform float edge;        // width of the fade at the tile's edge, in tiles
#ifndef MASK
uniform sampler2D picture;    // the frame so far, of the tile's square
uniform sampler2D correction; // rgb of the tile, 128 of 255 is nought
uniform float strength;       // what 255 of 255 more would add
#endif

out vec4 colour;

void main() {
    vec2 kept = texture(regions, flat_at).rg;
    vec2 within = clamp(min(tile_at, 1.0 - tile_at) / edge, 0.0, 1.0);
    float allowed = smoothstep(0.0, 1.0, reached) * (1.0 - kept.r) * (1.0 - kept.g) * within.x * within.y;
#ifdef MASK
    colour = vec4(0.0, allowed, 0.0, 0.0);
#else
    vec3 before = texelFetch(picture, ivec2(gl_FragCoord.xy), 0).rgb;
    vec3 change = texture(correction, tile_at).rgb - 128.0 / 255.0;
    colour = vec4(before + strength * allowed * change, 1.0);
#endif
}
