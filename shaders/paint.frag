#version 330 core

in vec4 painted;

out vec4 colour;

void main() {
    colour = painted;
}
