#version 330 core
// Alpha is premultiplied throughout. EXACT: each texel covers one pixel, and need not be interpolated.

in vec2 picture_at;

uniform sampler2D picture;
uniform float opacity;

out vec4 colour;

void main() {
#ifdef EXACT
    colour = texelFetch(picture, ivec2(picture_at * vec2(textureSize(picture, 0))), 0) * opacity;
#else
    colour = texture(picture, picture_at) * opacity;
#endif
}
