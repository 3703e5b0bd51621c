// Crops of a frame on an NVIDIA GPU, as the networks take them.
//
// The host has the same in Crop.cut and landmarks.brightened: change them together; the tests run this very file on the
// CPU beside those. Compiled with the constants of sources.py.

// One crop of the frame; CUT in kernels.py.
struct Cut {
    float matrix[6];  // frame pixels → crop pixels, row by row
    const unsigned char* picture;  // the frame, height x width x 3
    float* out;                    // planes x size x size
    int width, height;
    int size;
    int planes;       // 1: grey, 3: red, green, blue
};

__device__ int clamped(int value, int low, int high) { return min(max(value, low), high); }

// The part of a frame that a crop reads, in blocks that are averaged first: bilinear sampling of a large face would
// alias.
struct Level {
    float across[3], down[3];  // crop pixels → blocks
    int left, top;
    int width, height;         // blocks
    int wide, high;            // pixels of a block
};

__device__ Level level_of(const Cut& cut, int width, int height)
{
    const float a = cut.matrix[0], b = cut.matrix[1], c = cut.matrix[2];
    const float d = cut.matrix[3], e = cut.matrix[4], f = cut.matrix[5];
    float area = a * e - b * d;
    const float x[3] = {e / area, -b / area, (b * f - c * e) / area};
    const float y[3] = {-d / area, a / area, (c * d - a * f) / area};

    float low_x = 1e9f, high_x = -1e9f, low_y = 1e9f, high_y = -1e9f;
    for (int corner = 0; corner < 4; ++corner) {
        const float u = corner & 1 ? cut.size + 1.f : -2.f, v = corner & 2 ? cut.size + 1.f : -2.f;
        low_x = fminf(low_x, x[0] * u + x[1] * v + x[2]);
        high_x = fmaxf(high_x, x[0] * u + x[1] * v + x[2]);
        low_y = fminf(low_y, y[0] * u + y[1] * v + y[2]);
        high_y = fmaxf(high_y, y[0] * u + y[1] * v + y[2]);
    }
    Level level;
    level.left = clamped(static_cast<int>(floorf(low_x)), 0, width - 1);
    level.top = clamped(static_cast<int>(floorf(low_y)), 0, height - 1);
    level.width = clamped(static_cast<int>(ceilf(high_x)) + 1, level.left + 1, width) - level.left;
    level.height = clamped(static_cast<int>(ceilf(high_y)) + 1, level.top + 1, height) - level.top;
    level.wide = level.high = 1;
    while (fabsf(area) < 0.25f && max(level.width, level.height) > 1) {
        if (level.width > 1) {
            level.width /= 2;
            level.wide *= 2;
            area *= 2.f;
        }
        if (level.height > 1) {
            level.height /= 2;
            level.high *= 2;
            area *= 2.f;
        }
    }
    for (int i = 0; i < 3; ++i) {
        level.across[i] = x[i] / level.wide;
        level.down[i] = y[i] / level.high;
    }
    level.across[2] -= (level.left + 0.5f * (level.wide - 1)) / level.wide;
    level.down[2] -= (level.top + 0.5f * (level.high - 1)) / level.high;
    return level;
}

// Mean colour of a block; beyond the blocks the last one is repeated.
__device__ float3 block_mean(const unsigned char* picture, int width, const Level& level, int x, int y)
{
    x = level.left + clamped(x, 0, level.width - 1) * level.wide;
    y = level.top + clamped(y, 0, level.height - 1) * level.high;
    int red = 0, green = 0, blue = 0;
    for (int row = 0; row < level.high; ++row) {
        const unsigned char* pixel = picture + 3 * (static_cast<size_t>(y + row) * width + x);
        for (int column = 0; column < level.wide; ++column, pixel += 3) {
            red += pixel[0];
            green += pixel[1];
            blue += pixel[2];
        }
    }
    const float share = 1.f / (level.wide * level.high);
    return make_float3(red * share, green * share, blue * share);
}

// Crops for any number of consumers, of any size: whole numbers in 0..255. Block y takes crop y, block x some pixels.
extern "C" __global__ void cut(const Cut* cuts)
{
    const Cut cut = cuts[blockIdx.y];
    const int pixel = blockIdx.x * blockDim.x + threadIdx.x;
    const int pixels = cut.size * cut.size;
    if (pixel >= pixels)
        return;
    const Level level = level_of(cut, cut.width, cut.height);
    const int u = pixel % cut.size, v = pixel / cut.size;
    const float x = level.across[0] * u + level.across[1] * v + level.across[2];
    const float y = level.down[0] * u + level.down[1] * v + level.down[2];
    const int left = static_cast<int>(floorf(x)), top = static_cast<int>(floorf(y));
    const float right_share = x - left, low_share = y - top;
    float red = 0.f, green = 0.f, blue = 0.f;
    for (int corner = 0; corner < 4; ++corner) {
        const bool right = corner & 1, low = corner & 2;
        const float share = (right ? right_share : 1.f - right_share) * (low ? low_share : 1.f - low_share);
        const float3 colour = block_mean(cut.picture, cut.width, level, left + right, top + low);
        red += share * colour.x;
        green += share * colour.y;
        blue += share * colour.z;
    }
    if (cut.planes == 1) {
        cut.out[pixel] = rintf(0.299f * red + 0.587f * green + 0.114f * blue);
    } else {
        cut.out[pixel] = rintf(red);
        cut.out[pixels + pixel] = rintf(green);
        cut.out[2 * pixels + pixel] = rintf(blue);
    }
}

// Makes dark crops brighter, in place: a block of 256 threads takes a crop.
extern "C" __global__ void brighten(float* crops, int size)
{
    __shared__ int counts[256];  // of grey levels, in every fourth row and column
    float* const crop = crops + static_cast<size_t>(blockIdx.x) * size * size;
    const int side = (size + 3) / 4, samples = side * side;
    counts[threadIdx.x] = 0;
    __syncthreads();
    for (int i = threadIdx.x; i < samples; i += blockDim.x)
        atomicAdd(&counts[static_cast<int>(crop[4 * (i / side) * size + 4 * (i % side)])], 1);
    __syncthreads();

    // the 95th percentile, between the two samples next to it
    const float rank = 0.95f * (samples - 1);
    const int first = static_cast<int>(rank);
    int below = 0, low = -1, high = -1;
    for (int grey = 0; grey < 256 && high < 0; ++grey) {
        below += counts[grey];
        if (low < 0 && below > first)
            low = grey;
        if (below > min(first + 1, samples - 1))
            high = grey;
    }
    const float light = low + (rank - first) * (high - low);
    const float gain = fminf(fmaxf(LIGHT / fmaxf(light, 1.f), 1.f), MOST_GAIN);
    for (int i = threadIdx.x; i < size * size; i += blockDim.x)
        crop[i] = fminf(crop[i] * gain, 255.f);
}
