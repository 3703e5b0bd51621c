#version 330 core
// Source texture on the wanted geometry, lit like the live face, with the live eyes and inner mouth where asked for.

in vec2 source_at;
in vec2 live_at;
in vec2 flat_at;
in float trusted;
in float depth_at;

uniform sampler2D source_picture;
uniform sampler2D live_picture;
uniform sampler2D regions;  // on the flat face: r eyes, g inner mouth, b inside the feathered edge
uniform sampler2D transfer; // on the flat face: rgb offset, a gain; colour = gain * source + offset
uniform vec2 source_size;
uniform vec2 live_size;
uniform float density;      // source texels per output pixel of the whole face: what counts as unstretched
uniform vec2 live_share;    // how much of the live eyes, of the live mouth
uniform vec2 stretch_fade;  // relative texel density where the surface is transparent, and where it is opaque
uniform vec3 side_fade;     // flat x where fading begins, flat x where it ends, strength
uniform float opacity;

layout(location = 0) out vec4 colour; // premultiplied
layout(location = 1) out vec4 detail; // source u, v in 0..1, confidence, z

vec4 texel(sampler2D picture, vec2 pixel, vec2 size) {
    return texture(picture, (pixel + 0.5) / size);
}

void main() {
    // signed source area per output pixel: the affine of a triangle is constant, so derivatives are exact
    float area = determinant(mat2(dFdx(source_at), dFdy(source_at)));
    float confidence = clamp(area / density, 0.0, 1.0);

    vec4 region = texture(regions, flat_at);
    vec4 relight = texture(transfer, flat_at);
    vec3 skin = texel(source_picture, source_at, source_size).rgb * relight.a + relight.rgb;
    float seen_live = clamp(region.r * live_share.x + region.g * live_share.y, 0.0, 1.0);
    vec3 mixed = mix(skin, texel(live_picture, live_at, live_size).rgb, seen_live);

    float alpha = opacity * region.b * trusted;
    alpha *= mix(smoothstep(stretch_fade.x, stretch_fade.y, area / density), 1.0, seen_live);
    alpha *= 1.0 - side_fade.z * clamp((flat_at.x - side_fade.x) / (side_fade.y - side_fade.x), 0.0, 1.0);
    colour = vec4(clamp(mixed, 0.0, 1.0) * alpha, alpha);
    detail = vec4((source_at + 0.5) / source_size, confidence, depth_at);
}
