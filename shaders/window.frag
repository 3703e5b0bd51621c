#version 330 core

in vec2 picture_at;

uniform sampler2D picture; // premultiplied, row 0 its top

out vec4 colour;

void main() {
    colour = texture(picture, picture_at);
}
