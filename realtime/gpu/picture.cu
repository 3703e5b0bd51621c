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

// One face's repair in a picture; TILE in kernels.py. What is square has `size` x `size` pixels, which every launch says.
struct Tile {
    uchar4* picture;        // height x width
    const uchar4* belief;   // confidence and mask in red and green, drawn of the square
    float* planes;          // 5 squares: what the network is shown
    const float* repaired;  // 3 squares: what it gives
    const float4* before;   // the running mean of corrections, and of the mask, up to now; null: there is none
    float4* now;            // the same with what is new
    float4* change;         // the correction
    float4* large;          // the same, enlarged
    int* flags;             // two: becomes 1 where there is any confidence; where the network gives no number
    int width, height;
    int x, y, side;                      // the square in the picture, over whose edges it may reach
    int ends[4];                         // left, top, right, bottom end of what lies in the picture, in pixels of the tile
    int left, top, across, down;         // the same, in pixels of the picture
    float back[6];                       // places of this tile → those of the tile before
    float share, strength;               // of what is new in the mean; of the correction that is added
};

// Block y takes tile y in all that follows.

// What a repair network is shown: five planes in 0..1. The colours are made small by area, or enlarged linearly; beyond
// the picture its edge is repeated. Confidence and mask are 0 beyond the ends.
extern "C" __global__ void show(const Tile* tiles, int size)
{
    const Tile& tile = tiles[blockIdx.y];
    const int i = blockIdx.x * blockDim.x + threadIdx.x, count = size * size, side = tile.side;
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
            const int at_x = clamped(tile.x + clamped(column, 0, side - 1), 0, tile.width - 1);
            const int at_y = clamped(tile.y + clamped(row, 0, side - 1), 0, tile.height - 1);
            const uchar4 pixel = tile.picture[static_cast<size_t>(at_y) * tile.width + at_x];
            const float share = wide * high;
            red += share * pixel.x;
            green += share * pixel.y;
            blue += share * pixel.z;
            total += share;
        }
    }
    const bool inside = u >= tile.ends[0] && v >= tile.ends[1] && u < tile.ends[2] && v < tile.ends[3];
    const uchar4 believed = inside ? tile.belief[i] : make_uchar4(0, 0, 0, 0);
    float* const planes = tile.planes;
    planes[i] = rintf(red / total) / 255.f;
    planes[count + i] = rintf(green / total) / 255.f;
    planes[2 * count + i] = rintf(blue / total) / 255.f;
    planes[3 * count + i] = believed.x / 255.f;
    planes[4 * count + i] = believed.y / 255.f;
    if (believed.x)
        tile.flags[0] = 1;  // whoever writes it writes the same
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

// The running mean of what the network changed, and of the mask: a share of what it says, the rest of what was known
// before, moved along with the face. No number changes nothing.
extern "C" __global__ void steady(const Tile* tiles, int size)
{
    const Tile& tile = tiles[blockIdx.y];
    const int i = blockIdx.x * blockDim.x + threadIdx.x, count = size * size;
    if (i >= count)
        return;
    const float *planes = tile.planes, *repaired = tile.repaired, *back = tile.back;
    const float red = repaired[i], green = repaired[count + i], blue = repaired[2 * count + i];
    const bool good = isfinite(red) && isfinite(green) && isfinite(blue);
    if (!good)
        tile.flags[1] = 1;
    float4 fresh = make_float4(0.f, 0.f, 0.f, planes[4 * count + i]);
    if (good) {
        fresh.x = corrected(red, planes[i]);
        fresh.y = corrected(green, planes[count + i]);
        fresh.z = corrected(blue, planes[2 * count + i]);
    }
    if (tile.before) {
        const float u = i % size, v = i / size, share = tile.share;
        const float x = back[0] * u + back[1] * v + back[2], y = back[3] * u + back[4] * v + back[5];
        const float4 known = between(tile.before, size, x, y, false);
        fresh.x = known.x + share * (fresh.x - known.x);
        fresh.y = known.y + share * (fresh.y - known.y);
        fresh.z = known.z + share * (fresh.z - known.z);
        fresh.w = known.w + share * (fresh.w - known.w);
    }
    tile.now[i] = fresh;
}

// The correction itself under the mask of now, which is drawn in by a pixel: enlarging reaches so far.
extern "C" __global__ void change(const Tile* tiles, int size)
{
    const Tile& tile = tiles[blockIdx.y];
    const float* const planes = tile.planes;
    const int i = blockIdx.x * blockDim.x + threadIdx.x, count = size * size;
    if (i >= count)
        return;
    const int u = i % size, v = i / size;
    float mask = 1.f;
    for (int row = max(v - 1, 0); row <= min(v + 1, size - 1); ++row)
        for (int column = max(u - 1, 0); column <= min(u + 1, size - 1); ++column)
            mask = fminf(mask, planes[4 * count + row * size + column]);
    const float4 known = tile.now[i];
    const float scale = mask / fmaxf(known.w, 1e-3f);
    tile.change[i] = make_float4(known.x * scale, known.y * scale, known.z * scale, 0.f);
}

// `times` as large and smooth: linear, then the mean of `times` x `times`.
extern "C" __global__ void enlarge(const Tile* tiles, int size, int times)
{
    const Tile& tile = tiles[blockIdx.y];
    const int wide = times * size, i = blockIdx.x * blockDim.x + threadIdx.x, reach = times / 2;
    if (i >= wide * wide)
        return;
    float4 sum = make_float4(0.f, 0.f, 0.f, 0.f);
    for (int row = -reach; row <= reach; ++row) {
        const float y = (clamped(i / wide + row, 0, wide - 1) + 0.5f) / times - 0.5f;
        for (int column = -reach; column <= reach; ++column) {
            const float x = (clamped(i % wide + column, 0, wide - 1) + 0.5f) / times - 0.5f;
            const float4 value = between(tile.change, size, x, y, true);
            sum.x += value.x;
            sum.y += value.y;
            sum.z += value.z;
        }
    }
    const float share = 1.f / (times * times);
    tile.large[i] = make_float4(sum.x * share, sum.y * share, sum.z * share, 0.f);
}

__device__ unsigned char added(unsigned char pixel, float change)
{
    return static_cast<unsigned char>(fminf(fmaxf(rintf(pixel + 255.f * change), 0.f), 255.f));
}

// Adds one tile's correction, enlarged to `size`, to the picture, unless nothing is shown of the face. Where it is 0 the
// pixel stays what it was. Launched for one tile after the other: squares may overlap.
extern "C" __global__ void add(const Tile* tiles, int which, int size)
{
    const Tile& tile = tiles[which];
    if (!tile.flags[0])
        return;
    const float scale = static_cast<float>(size) / tile.side;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < tile.across * tile.down; i += gridDim.x * blockDim.x) {
        const int column = tile.left + i % tile.across, row = tile.top + i / tile.across;
        const float x = (column - tile.x + 0.5f) * scale - 0.5f, y = (row - tile.y + 0.5f) * scale - 0.5f;
        const float4 by = between(tile.large, size, x, y, true);
        uchar4& pixel = tile.picture[static_cast<size_t>(row) * tile.width + column];
        pixel.x = added(pixel.x, tile.strength * by.x);
        pixel.y = added(pixel.y, tile.strength * by.y);
        pixel.z = added(pixel.z, tile.strength * by.z);
    }
}
