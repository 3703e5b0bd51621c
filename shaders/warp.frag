#version 330 core
// Source texture on the wanted geometry. Parts that cost time on a software renderer are compiled in where they are used:
// SKIN lights it like the live face and lets the live eyes and inner mouth through; DETAIL writes the second output.

in vec2 source_at;
in vec2 live_at;
in vec2 flat_at;
in vec4 relit;
in float trusted;
in float depth_at;

uniform sampler2D source_picture;
uniform vec2 source_size;
uniform float opacity;
uniform float soften;       // mipmap levels further down than size asks for
#ifdef SKIN
uniform sampler2D live_picture;
uniform sampler2D regions;  // on the flat face: r eyes, g inner mouth, b inside the feathered edge
uniform vec2 live_size;
uniform vec2 live_share;    // how much of the live eyes, of the live mouth
uniform vec2 grain;         // standard deviation of the noise to add, and the noise's seed
uniform vec3 side_fade;     // flat x where fading begins, flat x where it ends, strength
#endif

layout(location = 0) out vec4 colour; // premultiplied
#ifdef DETAIL
uniform float density;      // source texels per output pixel of the whole face: what counts as unstretched
layout(location = 1) out vec4 detail; // source u, v in 0..1, confidence, z
#endif

#ifdef SKIN
// Uniform noise of unit variance, the same in all channels (after Jarzynski and Olano 2020, pcg).
float noise(uvec2 pixel, uint seed) {
    uint state = (pixel.x * 1973u + pixel.y * 9277u + seed * 26699u) * 747796405u + 2891336453u;
    uint word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
    return (float((word >> 22u) ^ word) / 4294967295.0 - 0.5) * 3.4641016;
}
#endif

void main() {
    float alpha = opacity * trusted;
    vec3 drawn = texture(source_picture, (source_at + 0.5) / source_size, soften).rgb;
#ifdef SKIN
    vec4 region = texture(regions, flat_at);
    float seen_live = clamp(dot(region.rg, live_share), 0.0, 1.0);
    drawn = drawn * relit.a + relit.rgb + grain.x * noise(uvec2(gl_FragCoord.xy), uint(grain.y));
    drawn = clamp(drawn, 0.0, 1.0);
    drawn = mix(drawn, texture(live_picture, (live_at + 0.5) / live_size).rgb, seen_live);
    alpha *= region.b;
    alpha *= 1.0 - side_fade.z * clamp((flat_at.x - side_fade.x) / (side_fade.y - side_fade.x), 0.0, 1.0);
#endif
    colour = vec4(drawn * alpha, alpha);
#ifdef DETAIL
    // signed source area per output pixel: the affine of a triangle is constant, so derivatives are exact
    float unstretched = determinant(mat2(dFdx(source_at), dFdy(source_at))) / density;
    detail = vec4((source_at + 0.5) / source_size, clamp(unstretched, 0.0, 1.0), depth_at);
#endif
}
