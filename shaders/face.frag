#version 330 core
// Colour of one pixel of a synthetic face, and what is true of it. Conventions: training/synthetic/parts.py, lights.py.

in vec3 place;
in vec3 facing;
in vec2 atlas_at;
in vec3 base_at;
in vec4 cover_at;
flat in vec2 kind_at;

uniform sampler2D tints;       // melanin, blood, strands, speckles; each evenly 0..1
uniform sampler2D relief;      // d height / d u, d height / d v, height; mm
uniform sampler2D shadow_map;  // distance along the key light, mm
uniform vec3 shadow_x, shadow_y, shadow_z; // axes of the key light's view
uniform vec4 shadow_box;       // centre x, y, half side, centre along the light
uniform vec3 ambient, key_direction, key_colour;
uniform vec3 soft_direction_0, soft_direction_1, soft_direction_2;
uniform vec3 soft_colour_0, soft_colour_1, soft_colour_2;
uniform float exposure;
uniform float infrared;
uniform vec3 unevenness;       // spread of melanin, of blood, spots
uniform vec3 hair_colour, brow_colour, cloth_colour, hat_colour;
uniform vec3 iris_colour;
uniform float pupil;           // radians
uniform float glow;            // light that the eye's ground throws back
uniform float veil;            // opacity of a see-through piece; 1 is opaque

layout(location = 0) out vec4 colour; // premultiplied, coded for display
layout(location = 1) out vec4 truth;  // normal x, y; depth in mm; class

const vec3 PALE = vec3(0.76, 0.61, 0.51);
const vec3 MELANIN = vec3(0.42, 0.78, 1.12);
const vec3 BLOOD = vec3(0.10, 0.52, 0.42);
const float HAIR = 2.0, CLOTH = 7.0, HAT = 8.0; // training/synthetic/parts.py, Class
const float IRIS = 0.49; // radius, radians of the eyeball

float lobe(float c) {
    return max(0.0, 0.25 + 0.5 * c + 0.15625 * (3.0 * c * c - 1.0));
}

vec3 soft_light(vec3 n) {
    return soft_colour_0 * lobe(dot(n, soft_direction_0)) + soft_colour_1 * lobe(dot(n, soft_direction_1))
         + soft_colour_2 * lobe(dot(n, soft_direction_2));
}

float lit() { // share of the key light that arrives, averaged over 3x3 texels
    vec2 seen = vec2(dot(place, shadow_x), dot(place, shadow_y)) - shadow_box.xy;
    vec2 uv = 0.5 + 0.5 * seen / shadow_box.z;
    float along = dot(place, shadow_z) - shadow_box.w;
    vec2 texel = 1.0 / vec2(textureSize(shadow_map, 0));
    float open = 0.0;
    for (int i = -1; i <= 1; ++i)
        for (int j = -1; j <= 1; ++j)
            open += texture(shadow_map, uv + vec2(i, j) * texel).r > along - 4.0 ? 1.0 : 0.0;
    return open / 9.0;
}

void main() {
    vec3 view = normalize(place);
    vec3 n = normalize(facing);
    float shift = 0.0;
    if (cover_at.w > 0.0) {
        // the surface gradient of the height, from what changes between pixels (Mikkelsen 2010)
        vec4 relief_here = texture(relief, atlas_at) * cover_at.w;
        vec3 px = dFdx(place), py = dFdy(place);
        vec3 across = cross(py, n), down = cross(n, px);
        float area = dot(px, across);
        float hx = dot(relief_here.xy, dFdx(atlas_at)), hy = dot(relief_here.xy, dFdy(atlas_at));
        if (abs(area) > 1e-9)
            n = normalize(n - clamp((hx * across + hy * down) / area, -0.8, 0.8));
        shift = relief_here.z / min(dot(facing, view), -0.3);
    }
    // what is seen faces the viewer: interpolation and relief may overshoot at the rim
    float away = dot(n, view);
    if (away > -0.02) n = normalize(n - (away + 0.02) * view);

    vec4 tint = texture(tints, atlas_at);
    vec3 albedo;
    float gloss = cover_at.z, sharpness = 12.0;
    float open_sky = cover_at.y;
    float shows = kind_at.y;
    vec3 added = vec3(0.0);
    if (kind_at.x < 0.5) {
        float spotted = smoothstep(0.86, 1.0, tint.a) * unevenness.z;
        float melanin = base_at.x * (1.0 + unevenness.x * (2.0 * tint.r - 1.0)) + 0.5 * spotted * (0.3 + base_at.x);
        float blood = base_at.y * (1.0 + unevenness.y * (2.0 * tint.g - 1.0));
        vec3 skin = PALE * exp(-max(melanin, 0.0) * MELANIN - max(blood, 0.0) * BLOOD);
        skin = mix(skin, vec3(0.62) * exp(-0.12 * melanin), infrared);
        float brow = min(cover_at.x, 1.0) * clamp(0.5 + 0.5 * tint.b + 0.5 * tint.a, 0.0, 1.0);
        // the edge of the hair is uneven
        float shock = smoothstep(1.35 - 0.5 * tint.b, 1.55 - 0.5 * tint.b, cover_at.x);
        float hair = max(brow, shock);
        vec3 grown = mix(brow_colour, hair_colour, shock);
        grown = mix(grown, sqrt(grown) * 0.6, infrared) * (0.55 + 0.9 * tint.b);
        albedo = mix(skin, grown, hair);
        gloss = mix(gloss, 0.25, hair);
        open_sky *= 1.0 - 0.4 * hair * (1.0 - tint.b);
        if (shock > 0.5) shows = HAIR;
        if (base_at.z > 0.5) { albedo = cloth_colour; shows = CLOTH; }
        if (base_at.z < -0.5) { albedo = hat_colour; shows = HAT; }
    } else if (kind_at.x < 1.5) {
        albedo = base_at;
    } else {
        float angle = acos(clamp(-normalize(base_at).z, -1.0, 1.0));
        float turn = atan(base_at.y, base_at.x);
        vec3 white = mix(vec3(0.62, 0.55, 0.52), vec3(0.42), infrared) * (1.0 - 0.25 * smoothstep(0.6, 1.3, angle));
        float fibres = 0.8 + 0.25 * sin(23.0 * turn) * sin(11.0 * turn + 2.0);
        vec3 iris = mix(iris_colour, vec3(0.25), infrared) * fibres;
        iris *= 1.0 - 0.65 * smoothstep(IRIS - 0.14, IRIS, angle);
        albedo = mix(iris, white, smoothstep(IRIS - 0.03, IRIS + 0.05, angle));
        float dark = 1.0 - smoothstep(pupil - 0.03, pupil + 0.03, angle);
        albedo = mix(albedo, vec3(0.004), dark);
        added = vec3(glow * dark);
        gloss = 1.0;
        sharpness = 220.0;
    }

    float facing_key = dot(n, key_direction);
    float key_open = dot(key_colour, vec3(1.0)) > 0.0 ? lit() : 0.0;
    // light goes under the skin and comes out beside: red furthest
    vec3 wrap = kind_at.x < 0.5 ? mix(vec3(0.28, 0.12, 0.08), vec3(0.25), infrared) : vec3(0.0);
    vec3 direct = key_colour * key_open * max((facing_key + wrap) / (1.0 + wrap), 0.0);
    vec3 around = (ambient + soft_light(n)) * open_sky;
    vec3 mirrored = reflect(view, n);
    float rim = pow(1.0 + min(dot(n, view), 0.0), 4.0);
    vec3 halfway = normalize(key_direction - view);
    float spark = pow(max(dot(n, halfway), 0.0), sharpness) * (sharpness + 8.0) / 60.0;
    vec3 shine = gloss * ((0.03 + 0.25 * rim) * soft_light(mirrored) * open_sky
                          + 0.16 * spark * key_colour * key_open * step(0.0, facing_key));
    vec3 light = exposure * (albedo * (direct + around) + shine + added);
    light = light / (1.0 + 0.18 * light); // highlights roll off
    float alpha = veil < 1.0 ? clamp(veil + dot(shine, vec3(exposure)), 0.0, 1.0) : 1.0;
    colour = vec4(pow(clamp(light, 0.0, 1.0), vec3(1.0 / 2.2)) * alpha, alpha);
    truth = vec4(n.xy, place.z * (1.0 + shift / length(place)), shows);
}
