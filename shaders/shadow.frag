#version 330 core

in float along;

layout(location = 0) out vec4 colour;
layout(location = 1) out vec4 distance_mm;

void main() {
    colour = vec4(1.0);
    distance_mm = vec4(along, 0.0, 0.0, 1.0);
}
