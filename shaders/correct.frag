#version 330 core
// Adds a correction to the picture.

in vec2 picture_at; // in the correction

uniform sampler2D picture;    // what is there so far
uniform sampler2D correction; // 128 of 255 is nought
uniform float strength;       // what 255 of 255 more would add

out vec4 colour;

void main() {
    vec3 before = texelFetch(picture, ivec2(gl_FragCoord.xy), 0).rgb;
    colour = vec4(before + strength * (texture(correction, picture_at).rgb - 128.0 / 255.0), 1.0);
}
