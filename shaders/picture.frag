#version 330 core
// Alpha is premultiplied throughout.

in vec2 picture_at;

uniform sampler2D picture;
uniform float opacity;

out vec4 colour;

void main() {
    colour = texture(picture, picture_at) * opacity;
}
