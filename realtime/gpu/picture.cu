// Whole pictures on an NVIDIA GPU on their way into textures and out of them, and what a repair reads and adds there.
//
// The host has the same in Square.shrink and Retouch.add: change them together; the tests run this very file on the CPU
// beside those.

__device__ int clamped(int value, int low, int high) { return min(max(value, low), high); }

// Three bytes a pixel to four, as textures have them, and back.
extern "C" __global__ void unpack(const unsigned char* rgb, uchar4* rgba, int pixels)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < pixels)
        rgba[i] = make_uchar4(rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2], 255);
}

extern "C" __global__ void pack(const uchar4* rgba, unsigned char* rgb, int pixels)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= pixels)
        return;
    const uchar4 pixel = rgba[i];
    rgb[3 * i] = pixel.x;
    rgb[3 * i + 1] = pixel.y;
    rgb[3 * i + 2] = pixel.z;
}

// What a repair is shown: the square at x, y of a picture, made `size` pixels wide by area, or enlarged linearly. Beyond
// the picture its edge is repeated. As Square.shrink.
extern "C" __global__ void shrink(
    const uchar4* picture, int width, int height, int x, int y, int side, uchar4* tile, int size)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= size * size)
        return;
    const float scale = static_cast<float>(side) / size;
    const int u = i % size, v = i / size;
    // from where to where, in pixels of the square; enlarged: the two pixels between whose centres it lies
    const bool smaller = side >= size;
    const float left = smaller ? u * scale : (u + 0.5f) * scale - 0.5f;
    const float top = smaller ? v * scale : (v + 0.5f) * scale - 0.5f;
    const float reach = smaller ? scale : 1.f;
    float sum[4] = {}, total = 0.f;
    for (int row = static_cast<int>(floorf(top)); row < top + reach; ++row) {
        const float high = fminf(row + 1.f, top + reach) - fmaxf(static_cast<float>(row), top);
        for (int column = static_cast<int>(floorf(left)); column < left + reach; ++column) {
            const float wide = fminf(column + 1.f, left + reach) - fmaxf(static_cast<float>(column), left);
            // the square's own edge, too, is repeated, where a pixel enlarged lies beyond it
            const int at_x = clamped(x + clamped(column, 0, side - 1), 0, width - 1);
            const int at_y = clamped(y + clamped(row, 0, side - 1), 0, height - 1);
            const uchar4 pixel = picture[static_cast<size_t>(at_y) * width + at_x];
            const float share = wide * high;
            sum[0] += share * pixel.x;
            sum[1] += share * pixel.y;
            sum[2] += share * pixel.z;
            sum[3] += share * pixel.w;
            total += share;
        }
    }
    tile[i] = make_uchar4(rintf(sum[0] / total), rintf(sum[1] / total), rintf(sum[2] / total), rintf(sum[3] / total));
}

// A square picture between its pixels, whole numbers; beyond it its edge is repeated.
__device__ float4 linear(const uchar4* picture, int size, float x, float y)
{
    const int left = static_cast<int>(floorf(x)), top = static_cast<int>(floorf(y));
    const float right_share = x - left, low_share = y - top;
    float4 sum = make_float4(0.f, 0.f, 0.f, 0.f);
    for (int corner = 0; corner < 4; ++corner) {
        const bool right = corner & 1, low = corner & 2;
        const float share = (right ? right_share : 1.f - right_share) * (low ? low_share : 1.f - low_share);
        const uchar4 pixel = picture[clamped(top + low, 0, size - 1) * size + clamped(left + right, 0, size - 1)];
        sum.x += share * pixel.x;
        sum.y += share * pixel.y;
        sum.z += share * pixel.z;
        sum.w += share * pixel.w;
    }
    return make_float4(rintf(sum.x), rintf(sum.y), rintf(sum.z), rintf(sum.w));
}

// A correction, `times` as large and smooth: linear, then the mean of `times` x `times`. As retouch.enlarged.
extern "C" __global__ void enlarge(const uchar4* small, int size, uchar4* large, int times)
{
    const int wide = times * size, i = blockIdx.x * blockDim.x + threadIdx.x, reach = times / 2;
    if (i >= wide * wide)
        return;
    float4 sum = make_float4(0.f, 0.f, 0.f, 0.f);
    for (int row = -reach; row <= reach; ++row) {
        const float y = (clamped(i / wide + row, 0, wide - 1) + 0.5f) / times - 0.5f;
        for (int column = -reach; column <= reach; ++column) {
            const float x = (clamped(i % wide + column, 0, wide - 1) + 0.5f) / times - 0.5f;
            const float4 colour = linear(small, size, x, y);
            sum.x += colour.x;
            sum.y += colour.y;
            sum.z += colour.z;
            sum.w += colour.w;
        }
    }
    const float share = 1.f / (times * times);
    large[i] = make_uchar4(rintf(sum.x * share), rintf(sum.y * share), rintf(sum.z * share), rintf(sum.w * share));
}

__device__ unsigned char added(unsigned char pixel, float change, float step)
{
    return static_cast<unsigned char>(fminf(fmaxf(rintf(pixel + step * (change - 128.f)), 0.f), 255.f));
}

// Adds a correction of the square at x, y to the part left, top, across, down of a picture: `step` levels for each level
// of it above 128. Where it is 128 the pixel stays what it was.
extern "C" __global__ void add(
    uchar4* picture, int width, int x, int y, int side, int left, int top, int across, int down, const uchar4* change,
    int size, float step)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= across * down)
        return;
    const int column = left + i % across, row = top + i / across;
    const float scale = static_cast<float>(size) / side;
    const float4 by = linear(change, size, (column - x + 0.5f) * scale - 0.5f, (row - y + 0.5f) * scale - 0.5f);
    uchar4& pixel = picture[static_cast<size_t>(row) * width + column];
    pixel = make_uchar4(
        added(pixel.x, by.x, step), added(pixel.y, by.y, step), added(pixel.z, by.z, step), added(pixel.w, by.w, step));
}
