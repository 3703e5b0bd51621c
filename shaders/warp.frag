#version 330 core
// Source texture on the wanted geometry. Parts that cost time on a software renderer are compiled in where they are used:
// SKIN lights it like the live face; only with SKIN, GRAIN adds noise, EDGE feathers the edge, LIVE lets the live eyes and
// inner mouth through, COVERED what is in front of the face; DETAIL writes the second output; CONFIDENCE draws how far to
// believe the surface, in place of its colours.

in vec2 source_at; // 0..1
in vec2 live_at;   // 0..1
in vec2 flat_at;
in vec4 gain_at;
in vec3 offset_at;
in float opaque;
in float faded;
in float depth_at;
in vec2 covered_at; // 0..1

uniform sampler2D source_picture;
uniform float soften;         // mipmap levels further down than size asks for
#ifdef SKIN
uniform float fade_strength;
#endif
#ifdef GRAIN
uniform vec2 grain;           // standard deviation of the noise to add, and the noise's seed
#endif
#if defined(EDGE) || defined(LIVE)
uniform sampler2D regions;    // on the flat face: r eyes, g inner mouth, b inside the feathered edge
#endif
#ifdef LIVE
uniform sampler2D live_picture;
uniform vec2 live_share;      // how much of the live eyes, of the live mouth
#endif

#ifdef COVERED
uniform sampler2D covered;    // on the live face's crop: how much of the frame is in front of the face
#endif

layout(location = 0) out vec4 colour; // premultiplied
#ifdef DETAIL
layout(location = 1) out vec4 detail; // source u, v in 0..1, confidence, z
#endif
#if defined(DETAIL) || defined(CONFIDENCE)
uniform vec2 source_size;
uniform float density;        // source texels per output pixel of the whole face: what counts as unstretched

// 1 where the texture is not stretched, 0 where it is without end or shows the back.
float unstretched() {
    // signed source area per output pixel: the affine of a triangle is constant, so derivatives are exact
    float area = determinant(mat2(dFdx(source_at), dFdy(source_at))) * source_size.x * source_size.y;
    return clamp(area / density, 0.0, 1.0);
}
#endif

#ifdef GRAIN
// Uniform noise of unit variance, the same in all channels (after Jarzynski and Olano 2020, pcg).
float noise(uvec2 pixel, uint seed) {
    uint state = (pixel.x * 1973u + pixel.y * 9277u + seed * 26699u) * 747796405u + 2891336453u;
    uint word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
    return (float((word >> 22u) ^ word) / 4294967295.0 - 0.5) * 3.4641016;
}
#endif

void main() {
    vec4 texel = texture(source_picture, source_at, soften);
    vec3 drawn = texel.rgb;
    float alpha = opaque * texel.a;
#ifdef SKIN
    float luma = dot(drawn, vec3(0.299, 0.587, 0.114));
    drawn = gain_at.a * drawn + gain_at.rgb * luma + offset_at;
#ifdef GRAIN
    drawn += grain.x * noise(uvec2(gl_FragCoord.xy), uint(grain.y));
#endif
    drawn = clamp(drawn, 0.0, 1.0);
#if defined(EDGE) || defined(LIVE)
    vec4 region = texture(regions, flat_at);
#endif
#ifdef LIVE
    float seen_live = clamp(dot(region.rg, live_share), 0.0, 1.0);
    drawn = mix(drawn, texture(live_picture, live_at).rgb, seen_live);
#endif
    alpha *= 1.0 - fade_strength * clamp(faded, 0.0, 1.0);
#ifdef EDGE
    alpha *= region.b;
#endif
#ifdef COVERED
    alpha *= 1.0 - texture(covered, covered_at).r;
#endif
#endif
    colour = vec4(drawn * alpha, alpha);
#ifdef DETAIL
    detail = vec4(source_at, unstretched(), depth_at);
#endif
#ifdef CONFIDENCE
    colour = vec4(alpha * unstretched(), 0.0, 0.0, alpha);
#endif
}
