"""The same stages with the frame on an NVIDIA GPU. Imported where `--runtime torch` or `tensorrt` asks for one."""
