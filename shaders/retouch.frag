#version 330 core
// Adds a correction to the picture where that is allowed. MASK draws only where: into the green channel.

in vec2 flat_at;
in vec2 tile_at;
in float reached;

uniform sampler2D regions; // on the flat face: r eyes, g inner mouth
uniform float edge;        // width of the fade at the tile's edge, in tiles
#ifndef MASK
uniform sampler2D picture;    // the frame so far, of the tile's square
uniform sampler2D correction; // rgb of the tile
uniform float strength;
#endif

out vec4 colour;

#ifndef MASK
// Cubic B-spline of the correction's pixels, by four linear lookups (after Sigg and Hadwiger 2005).
vec3 smooth_correction() {
    vec2 size = vec2(textureSize(correction, 0));
    vec2 place = tile_at * size - 0.5;
    vec2 f = fract(place), whole = place - f;
    vec2 w0 = (1.0 - f) * (1.0 - f) * (1.0 - f) / 6.0;
    vec2 w1 = (4.0 - 6.0 * f * f + 3.0 * f * f * f) / 6.0;
    vec2 w3 = f * f * f / 6.0;
    vec2 w2 = 1.0 - w0 - w1 - w3;
    vec2 low = (whole - 0.5 + w1 / (w0 + w1)) / size;
    vec2 high = (whole + 1.5 + w3 / (w2 + w3)) / size;
    vec2 share = w2 + w3;
    return mix(
        mix(texture(correction, low).rgb, texture(correction, vec2(high.x, low.y)).rgb, share.x),
        mix(texture(correction, vec2(low.x, high.y)).rgb, texture(correction, high).rgb, share.x),
        share.y);
}
#endif

void main() {
    vec2 kept = texture(regions, flat_at).rg;
    vec2 within = clamp(min(tile_at, 1.0 - tile_at) / edge, 0.0, 1.0);
    float allowed = smoothstep(0.0, 1.0, reached) * (1.0 - kept.r) * (1.0 - kept.g) * within.x * within.y;
#ifdef MASK
    colour = vec4(0.0, allowed, 0.0, 0.0);
#else
    vec3 before = texelFetch(picture, ivec2(gl_FragCoord.xy), 0).rgb;
    colour = vec4(before + strength * allowed * smooth_correction(), 1.0);
#endif
}
