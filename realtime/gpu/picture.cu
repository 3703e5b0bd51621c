// Whole pictures on an NVIDIA GPU on their way into textures and out of them, and the repair of the faces in them.
//
// The host has the same in Retouch.read, Steadied and Retouch.add: change them together; the tests run this very file on
// the CPU beside those.

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

// What a repair network is shown of the square at x, y of a picture: five planes of size x size in 0..1. The colours are
// made small by area, or enlarged linearly; beyond the picture its edge is repeated. Confidence and mask are red and green
// of `belief`, and 0 outside of left, top, right, bottom (pixels of the tile). Sets `shown` where there is any confidence.
extern "C" __global__ void show(
    const uchar4* picture, int width, int height, int x, int y, int side, const uchar4* belief, float* planes, int size,
    int left_end, int top_end, int right_end, int bottom_end, int* shown)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x, count = size * size;
    if (i >= count)
        return;
    const float scale = static_cast<float>(side) / size;
    const int u = i % size, v = i / size;
    // from where to where, in pixels of the square; enlarged: the two pixels between whose centres it lies
    const bool smaller = side >= size;
    const float left = smaller ? u * scale : (u + 0.5f) * scale - 0.5f;
    const float top = smaller ? v * scale : (v + 0.5f) * scale - 0.5f;
    const float reach = smaller ? scale : 1.f;
    float red = 0.f, green = 0.f, blue = 0.f, total = 0.f;
    for (int row = static_cast<int>(floorf(top)); row < top + reach; ++row) {
        const float high = fminf(row + 1.f, top + reach) - fmaxf(static_cast<float>(row), top);
        for (int column = static_cast<int>(floorf(left)); column < left + reach; ++column) {
            const float wide = fminf(column + 1.f, left + reach) - fmaxf(static_cast<float>(column), left);
            // the square's own edge, too, is repeated, where a pixel enlarged lies beyond it
            const int at_x = clamped(x + clamped(column, 0, side - 1), 0, width - 1);
            const int at_y = clamped(y + clamped(row, 0, side - 1), 0, height - 1);
            const uchar4 pixel = picture[static_cast<size_t>(at_y) * width + at_x];
            const float share = wide * high;
            red += share * pixel.x;
            green += share * pixel.y;
            blue += share * pixel.z;
            total += share;
        }
    }
    const bool inside = u >= left_end && v >= top_end && u < right_end && v < bottom_end;
    const uchar4 believed = inside ? belief[i] : make_uchar4(0, 0, 0, 0);
    planes[i] = rintf(red / total) / 255.f;
    planes[count + i] = rintf(green / total) / 255.f;
    planes[2 * count + i] = rintf(blue / total) / 255.f;
    planes[3 * count + i] = believed.x / 255.f;
    planes[4 * count + i] = believed.y / 255.f;
    if (believed.x)
        *shown = 1;  // whoever writes it writes the same
}

// A square picture of size x size between its pixels; beyond it there is nothing, or its edge is repeated.
__device__ float4 between(const float4* picture, int size, float x, float y, bool repeated)
{
    const int left = static_cast<int>(floorf(x)), top = static_cast<int>(floorf(y));
    const float right_share = x - left, low_share = y - top;
    float4 sum = make_float4(0.f, 0.f, 0.f, 0.f);
    for (int corner = 0; corner < 4; ++corner) {
        const bool right = corner & 1, low = corner & 2;
        const int column = clamped(left + right, 0, size - 1), row = clamped(top + low, 0, size - 1);
        if (!repeated && (column != left + right || row != top + low))
            continue;
        const float share = (right ? right_share : 1.f - right_share) * (low ? low_share : 1.f - low_share);
        const float4 value = picture[row * size + column];
        sum.x += share * value.x;
        sum.y += share * value.y;
        sum.z += share * value.z;
        sum.w += share * value.w;
    }
    return sum;
}

__device__ float corrected(float repaired, float shown) { return fminf(fmaxf(repaired, 0.f), 1.f) - shown; }

// The running mean `now` of what the network changed, and of its mask: `share` of what it says, the rest of what was
// known before (null: nothing), moved by (a b c; d e f) from here to there. Sets `odd` where the network gives no
// number, which corrects nothing.
extern "C" __global__ void steady(
    const float* planes, const float* repaired, const float4* before, float4* now, int size, float a, float b, float c,
    float d, float e, float f, float share, int* odd)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x, count = size * size;
    if (i >= count)
        return;
    const float red = repaired[i], green = repaired[count + i], blue = repaired[2 * count + i];
    const bool good = isfinite(red) && isfinite(green) && isfinite(blue);
    if (!good)
        *odd = 1;
    float4 fresh = make_float4(0.f, 0.f, 0.f, planes[4 * count + i]);
    if (good) {
        fresh.x = corrected(red, planes[i]);
        fresh.y = corrected(green, planes[count + i]);
        fresh.z = corrected(blue, planes[2 * count + i]);
    }
    if (before) {
        const float u = i % size, v = i / size;
        const float4 known = between(before, size, a * u + b * v + c, d * u + e * v + f, false);
        fresh.x = known.x + share * (fresh.x - known.x);
        fresh.y = known.y + share * (fresh.y - known.y);
        fresh.z = known.z + share * (fresh.z - known.z);
        fresh.w = known.w + share * (fresh.w - known.w);
    }
    now[i] = fresh;
}

// The correction itself under the mask of now, which is drawn in by a pixel: enlarging reaches so far.
extern "C" __global__ void change(const float4* mean, const float* planes, float4* change, int size)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x, count = size * size;
    if (i >= count)
        return;
    const int u = i % size, v = i / size;
    float mask = 1.f;
    for (int row = max(v - 1, 0); row <= min(v + 1, size - 1); ++row)
        for (int column = max(u - 1, 0); column <= min(u + 1, size - 1); ++column)
            mask = fminf(mask, planes[4 * count + row * size + column]);
    const float4 known = mean[i];
    const float scale = mask / fmaxf(known.w, 1e-3f);
    change[i] = make_float4(known.x * scale, known.y * scale, known.z * scale, 0.f);
}

// `times` as large and smooth: linear, then the mean of `times` x `times`.
extern "C" __global__ void enlarge(const float4* small, int size, float4* large, int times)
{
    const int wide = times * size, i = blockIdx.x * blockDim.x + threadIdx.x, reach = times / 2;
    if (i >= wide * wide)
        return;
    float4 sum = make_float4(0.f, 0.f, 0.f, 0.f);
    for (int row = -reach; row <= reach; ++row) {
        const float y = (clamped(i / wide + row, 0, wide - 1) + 0.5f) / times - 0.5f;
        for (int column = -reach; column <= reach; ++column) {
            const float x = (clamped(i % wide + column, 0, wide - 1) + 0.5f) / times - 0.5f;
            const float4 value = between(small, size, x, y, true);
            sum.x += value.x;
            sum.y += value.y;
            sum.z += value.z;
        }
    }
    const float share = 1.f / (times * times);
    large[i] = make_float4(sum.x * share, sum.y * share, sum.z * share, 0.f);
}

__device__ unsigned char added(unsigned char pixel, float change)
{
    return static_cast<unsigned char>(fminf(fmaxf(rintf(pixel + 255.f * change), 0.f), 255.f));
}

// Adds a correction of the square at x, y, times `strength`, to the part left, top, across, down of a picture, unless
// nothing is shown of the face. Where it is 0 the pixel stays what it was.
extern "C" __global__ void add(
    uchar4* picture, int width, int x, int y, int side, int left, int top, int across, int down, const float4* change,
    int size, float strength, const int* shown)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= across * down || !*shown)
        return;
    const int column = left + i % across, row = top + i / across;
    const float scale = static_cast<float>(size) / side;
    const float4 by = between(change, size, (column - x + 0.5f) * scale - 0.5f, (row - y + 0.5f) * scale - 0.5f, true);
    uchar4& pixel = picture[static_cast<size_t>(row) * width + column];
    pixel.x = added(pixel.x, strength * by.x);
    pixel.y = added(pixel.y, strength * by.y);
    pixel.z = added(pixel.z, strength * by.z);
}
