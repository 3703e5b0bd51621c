#version 330 core
// A face mesh in the pixels of its tile. Row 0 of every picture is its top and NDC y = -1.
// What varies evenly over a triangle is worked out here: on a software renderer each pixel's arithmetic counts.

layout(location = 0) in vec3 position;  // x, y in frame pixels; z in [-1, 1], smaller is nearer
layout(location = 1) in vec2 source;    // pixels of the source picture
layout(location = 2) in vec2 live;      // pixels of the live frame
layout(location = 3) in vec2 layout_uv; // place on the flat face, 0..1
layout(location = 4) in float trust;    // 0..1: how sure it is that skin, not a hand, is seen here
layout(location = 5) in vec4 gains;      // rgb gains of the colour's luma, and gain of what differs from luma
layout(location = 6) in vec3 offset;     // added to the colour

uniform vec2 origin;    // of the tile, frame pixels
uniform vec2 size;      // of the tile, frame pixels
uniform vec2 source_size;
uniform vec2 live_size;
uniform vec2 side_fade; // flat x where fading begins, flat x where it ends
uniform float opacity;
uniform vec3 covered_x; // frame pixels → place on the map of what covers the face, 0..1
uniform vec3 covered_y;

out vec2 source_at; // 0..1
out vec2 live_at;   // 0..1
out vec2 flat_at;
out vec4 gain_at;   // of the colour (a), and of its luma what is left to gain (rgb)
out vec3 offset_at;
out float opaque;
out float faded;    // 0 where fading begins, 1 where it ends
out float depth_at;
out vec2 covered_at; // 0..1

void main() {
    // pixel centres are at integers: pixel p covers p - 0.5 .. p + 0.5
    source_at = (source + 0.5) / source_size;
    live_at = (live + 0.5) / live_size;
    flat_at = layout_uv;
    gain_at = vec4(gains.rgb - gains.a, gains.a);
    offset_at = offset;
    opaque = opacity * trust;
    faded = (layout_uv.x - side_fade.x) / (side_fade.y - side_fade.x);
    depth_at = position.z;
    covered_at = vec2(dot(covered_x, vec3(position.xy, 1.0)), dot(covered_y, vec3(position.xy, 1.0)));
    gl_Position = vec4(2.0 * (position.xy + 0.5 - origin) / size - 1.0, clamp(position.z, -1.0, 1.0), 1.0);
}
