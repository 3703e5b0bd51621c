// What happens to a frame on an NVIDIA GPU between the networks of the analysis: crops, and the steadying of known faces.
//
// The host has the same in Crop.cut, landmarks.brightened, FaceFilter and lift.depth_inputs: change them together; the
// tests run this very file on the CPU beside those. Compiled with the constants of kernels.py.

constexpr unsigned ALL = 0xffffffffu;
constexpr int LANES = 32;
constexpr int OWN = (KEYPOINTS + LANES - 1) / LANES;  // points of a lane
constexpr float TAU = 6.2831853f;

// One crop of the frame; CUT in kernels.py.
struct Cut {
    float matrix[6];  // frame pixels → crop pixels, row by row
    const unsigned char* picture;  // the frame, height x width x 3
    float* out;                    // planes x size x size
    int width, height;
    int size;
    int planes;       // 1: grey, 3: red, green, blue
};

// What becomes of a face; SEEN in kernels.py. Pixels of the frame.
struct Seen {
    float seen[2 * KEYPOINTS];  // before the filter
    float points[2 * KEYPOINTS];
    float motion[2 * KEYPOINTS];
    float change[2 * KEYPOINTS];
    float confidence[KEYPOINTS];
};

// What its filter remembers and is to do; MEMORY in kernels.py.
struct Memory {
    Seen* after;
    float back[6];  // crop pixels → frame pixels
    float step_s;   // since the last points
    int what;       // 0: the points as seen, 1: filtered, 2: the last ones again
    float points[2 * KEYPOINTS];
    float motion[2 * KEYPOINTS];
    float change[2 * KEYPOINTS];
    float depth[KEYPOINTS];  // of the points; all 0 where nobody knows it
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

__device__ float warp_sum(float value)
{
    for (int mask = LANES / 2; mask > 0; mask /= 2)
        value += __shfl_xor_sync(ALL, value, mask);
    return value;
}

__device__ float warp_max(float value)
{
    for (int mask = LANES / 2; mask > 0; mask /= 2)
        value = fmaxf(value, __shfl_xor_sync(ALL, value, mask));
    return value;
}

// Share of the way an exponential low pass goes in one step.
__device__ float share_of(float cutoff_hz, float step_s) { return -expm1f(-TAU * step_s * cutoff_hz); }

// x of the symmetric, positive system: gram holds xx, xy, xz, yy, yz, zz.
__device__ float3 solved(const float (&gram)[6], float x, float y, float z)
{
    const float yx = gram[1] / gram[0], zx = gram[2] / gram[0];
    const float yy = gram[3] - yx * gram[1], yz = gram[4] - yx * gram[2];
    const float zy = yz / yy, zz = gram[5] - zx * gram[2] - zy * yz;
    y -= yx * x;
    z -= zx * x + zy * y;
    z /= zz;
    y = y / yy - zy * z;
    return make_float3(x / gram[0] - yx * y - zx * z, y, z);
}

// Places what the landmark network saw in the frame, filters it, and boxes it for DepthNet. A block of one warp takes a
// face; lane l holds the points l, l + 32, l + 64.
//
// found (faces, KEYPOINTS, 2) crop pixels and confidence (faces, KEYPOINTS) come from the network; rigidity and gains
// are (KEYPOINTS). Writes what is after, and source and target (faces, LANDMARKS, 2), which are alike.
extern "C" __global__ void __launch_bounds__(LANES) follow(
    const float* found, const float* confidence, const float* rigidity, const float* gains, const Memory* before,
    float* source, float* target)
{
    const int face = blockIdx.x, lane = threadIdx.x;
    const Memory& last = before[face];
    Seen& now = *last.after;
    found += 2 * KEYPOINTS * face;
    confidence += KEYPOINTS * face;

    // numbers are kept small: the origin is one of the last points
    const float x0 = last.points[0], y0 = last.points[1];
    float x[OWN], y[OWN], z[OWN], dx[OWN], dy[OWN], trust[OWN], weight[OWN];
    float total = 0.f, mx = 0.f, my = 0.f, mz = 0.f, mdx = 0.f, mdy = 0.f, cx = 0.f, cy = 0.f;
    for (int j = 0; j < OWN; ++j) {
        const int i = lane + LANES * j;
        x[j] = y[j] = z[j] = dx[j] = dy[j] = trust[j] = weight[j] = 0.f;
        if (i >= KEYPOINTS)
            continue;
        const float u = found[2 * i], v = found[2 * i + 1];
        const float seen_x = last.back[0] * u + last.back[1] * v + last.back[2];
        const float seen_y = last.back[3] * u + last.back[4] * v + last.back[5];
        now.seen[2 * i] = seen_x;
        now.seen[2 * i + 1] = seen_y;
        now.confidence[i] = confidence[i];
        x[j] = last.points[2 * i] - x0;
        y[j] = last.points[2 * i + 1] - y0;
        z[j] = last.depth[i];
        dx[j] = seen_x - last.points[2 * i];
        dy[j] = seen_y - last.points[2 * i + 1];
        const float sure = fminf(fmaxf(confidence[i] / SURE, 0.1f), 1.f);
        trust[j] = sure * sure;
        weight[j] = trust[j] * rigidity[i];
        total += weight[j];
        mx += weight[j] * x[j];
        my += weight[j] * y[j];
        mz += weight[j] * z[j];
        mdx += weight[j] * dx[j];
        mdy += weight[j] * dy[j];
        if (i < LANDMARKS) {
            cx += x[j];
            cy += y[j];
        }
    }
    const float per_total = 1.f / warp_sum(total);
    mx = warp_sum(mx) * per_total;
    my = warp_sum(my) * per_total;
    mz = warp_sum(mz) * per_total;
    mdx = warp_sum(mdx) * per_total;
    mdy = warp_sum(mdy) * per_total;
    cx = warp_sum(cx) / LANDMARKS;
    cy = warp_sum(cy) / LANDMARKS;

    // the head's motion: an affine map of the last points
    float gram[6] = {}, right_x[3] = {}, right_y[3] = {}, spread = 0.f;
    for (int j = 0; j < OWN; ++j) {
        if (lane + LANES * j < LANDMARKS)
            spread += (x[j] - cx) * (x[j] - cx) + (y[j] - cy) * (y[j] - cy);
        const float share = weight[j] * per_total;
        x[j] -= mx;
        y[j] -= my;
        z[j] -= mz;
        const float columns[3] = {x[j], y[j], z[j]};
        for (int row = 0, place = 0; row < 3; ++row) {
            for (int column = row; column < 3; ++column)
                gram[place++] += share * columns[row] * columns[column];
            right_x[row] += share * columns[row] * dx[j];
            right_y[row] += share * columns[row] * dy[j];
        }
    }
    for (int place = 0; place < 6; ++place)
        gram[place] = warp_sum(gram[place]);
    for (int row = 0; row < 3; ++row) {
        right_x[row] = warp_sum(right_x[row]);
        right_y[row] = warp_sum(right_y[row]);
    }
    gram[0] += 1e-3f * gram[0] + 1e-12f;
    gram[3] += 1e-3f * gram[3] + 1e-12f;
    gram[5] += 1e-3f * gram[5] + 1e-12f;
    const float3 to_x = solved(gram, right_x[0], right_x[1], right_x[2]);
    const float3 to_y = solved(gram, right_y[0], right_y[1], right_y[2]);
    const float per_second = 1.f / (last.step_s * fmaxf(sqrtf(warp_sum(spread) / LANDMARKS), 1e-6f));

    // how fast the head moves, and each point against it; both low-passed
    const float steady = share_of(SPEED_HZ, last.step_s);
    float move_x[OWN], move_y[OWN], change_x[OWN], change_y[OWN], speed = 0.f;
    for (int j = 0; j < OWN; ++j) {
        const int i = lane + LANES * j;
        move_x[j] = mdx + to_x.x * x[j] + to_x.y * y[j] + to_x.z * z[j];
        move_y[j] = mdy + to_y.x * x[j] + to_y.y * y[j] + to_y.z * z[j];
        change_x[j] = dx[j] - move_x[j];
        change_y[j] = dy[j] - move_y[j];
        if (i >= KEYPOINTS)
            continue;
        const bool filtered = last.what == 1, keeps = last.what == 2;
        const float parts[4] = {move_x[j], move_y[j], change_x[j], change_y[j]};
        float after_all[4];
        for (int part = 0; part < 4; ++part) {
            const float was = part < 2 ? last.motion[2 * i + part] : last.change[2 * i + part - 2];
            after_all[part] = filtered ? was + steady * (parts[part] * per_second - was) : keeps ? was : 0.f;
        }
        now.motion[2 * i] = after_all[0];
        now.motion[2 * i + 1] = after_all[1];
        now.change[2 * i] = after_all[2];
        now.change[2 * i + 1] = after_all[3];
        speed += after_all[0] * after_all[0] + after_all[1] * after_all[1];
    }
    const float of_motion = share_of(MOTION_HZ + MOTION_GAIN * sqrtf(warp_sum(speed) / KEYPOINTS), last.step_s);

    // the new points, from the origin; then upright, and within their box
    float left_x = 0.f, left_y = 0.f, right_eye_x = 0.f, right_eye_y = 0.f;
    for (int j = 0; j < OWN; ++j) {
        const int i = lane + LANES * j;
        if (i >= KEYPOINTS)
            continue;
        x[j] = last.points[2 * i] - x0;
        y[j] = last.points[2 * i + 1] - y0;
        if (last.what == 0) {
            x[j] += dx[j];
            y[j] += dy[j];
        } else if (last.what == 1) {
            const float fast = hypotf(now.change[2 * i], now.change[2 * i + 1]);
            const float of_change = share_of((SHAPE_HZ + gains[i] * fast) * trust[j], last.step_s);
            x[j] += of_motion * move_x[j] + of_change * change_x[j];
            y[j] += of_motion * move_y[j] + of_change * change_y[j];
        }
        now.points[2 * i] = x[j] + x0;
        now.points[2 * i + 1] = y[j] + y0;
        if (i >= LEFT_EYE && i < LEFT_EYE + EYE) {
            left_x += x[j] / EYE;
            left_y += y[j] / EYE;
        } else if (i >= RIGHT_EYE && i < RIGHT_EYE + EYE) {
            right_eye_x += x[j] / EYE;
            right_eye_y += y[j] / EYE;
        }
    }
    const float along = warp_sum(right_eye_x) - warp_sum(left_x), below = warp_sum(right_eye_y) - warp_sum(left_y);
    const float length = hypotf(along, below);
    const float cosine = length > 0.f ? along / length : 1.f, sine = length > 0.f ? below / length : 0.f;
    float low_x = 1e9f, high_x = -1e9f, low_y = 1e9f, high_y = -1e9f;
    for (int j = 0; j < OWN; ++j) {
        const float turned_x = cosine * x[j] + sine * y[j], turned_y = cosine * y[j] - sine * x[j];
        x[j] = turned_x;
        y[j] = turned_y;
        if (lane + LANES * j < LANDMARKS) {
            low_x = fminf(low_x, turned_x);
            high_x = fmaxf(high_x, turned_x);
            low_y = fminf(low_y, turned_y);
            high_y = fmaxf(high_y, turned_y);
        }
    }
    low_x = -warp_max(-low_x);
    high_x = warp_max(high_x);
    low_y = -warp_max(-low_y);
    high_y = warp_max(high_y);
    const float per_side = 1.f / (BOX_SCALE * fmaxf(fmaxf(high_x - low_x, high_y - low_y), 1e-6f));
    for (int j = 0; j < OWN; ++j) {
        const int i = lane + LANES * j;
        if (i >= LANDMARKS)
            continue;
        const int place = 2 * (LANDMARKS * face + i);
        source[place] = target[place] = (x[j] - 0.5f * (low_x + high_x)) * per_side;
        source[place + 1] = target[place + 1] = (y[j] - 0.5f * (low_y + high_y)) * per_side;
    }
}
