// The light and tone of live faces on an NVIDIA GPU: what of a frame a drawn face takes over.
//
// The host has the same in Tone and Relight.follow (effects/relight.py): change them together; the tests run this very
// file on the CPU beside those. Compiled with the constants of sources.py.

constexpr int CELLS = GRID * GRID;
constexpr int EACH = CELLS / THREADS;  // cells of a thread

// The running tone of a face; RUNNING in tone.py. model.cu reads it.
struct Running {
    float low[3][CELLS];  // red, green, blue in 0..1
    float contrast;
};

// A face in a frame; LOOK in tone.py.
struct Look {
    const unsigned char* picture;  // height x width x 3
    const float* points;           // KEYPOINTS x 2 in it; null: there is no such face
    Running* running;
    int width, height;
    float share;                   // of what is new; 1: nothing is known
};

__device__ int clamped(int value, int low, int high) { return min(max(value, low), high); }

__device__ float rising(float value, float low, float high)
{
    return fminf(fmaxf((value - low) / (high - low), 0.f), 1.f);
}

__device__ float luma_of(float3 colour) { return LUMA_R * colour.x + LUMA_G * colour.y + LUMA_B * colour.z; }

// sRGB and CIE's Lab, D65.
__device__ float linear(float value)
{
    return value <= 0.04045f ? value / 12.92f : powf((value + 0.055f) / 1.055f, 2.4f);
}

__device__ float gamma_of(float value)
{
    value = fminf(fmaxf(value, 0.f), 1.f);
    return value <= 0.0031308f ? 12.92f * value : 1.055f * powf(value, 1.f / 2.4f) - 0.055f;
}

__device__ float bent(float value) { return value > 0.008856f ? cbrtf(value) : 7.787f * value + 16.f / 116.f; }

__device__ float straight(float value)
{
    return value > 6.f / 29.f ? value * value * value : (value - 16.f / 116.f) / 7.787f;
}

__device__ float3 lab_of(float3 colour)
{
    const float r = linear(colour.x), g = linear(colour.y), b = linear(colour.z);
    const float x = bent((0.412453f * r + 0.357580f * g + 0.180423f * b) / 0.950456f);
    const float y = bent(0.212671f * r + 0.715160f * g + 0.072169f * b);
    const float z = bent((0.019334f * r + 0.119193f * g + 0.950227f * b) / 1.088754f);
    return make_float3(116.f * y - 16.f, 500.f * (x - y), 200.f * (y - z));
}

__device__ float3 rgb_of(float3 lab)
{
    const float high = (lab.x + 16.f) / 116.f;
    const float x = 0.950456f * straight(high + lab.y / 500.f), y = straight(high);
    const float z = 1.088754f * straight(high - lab.z / 200.f);
    return make_float3(
        gamma_of(3.240479f * x - 1.53715f * y - 0.498535f * z),
        gamma_of(-0.969256f * x + 1.875991f * y + 0.041556f * z),
        gamma_of(0.055648f * x - 0.204043f * y + 1.057311f * z));
}

// What the frame shows at a place, between its pixels; beyond its edge that is repeated.
__device__ float3 seen(const Look& look, float x, float y)
{
    const int left = static_cast<int>(floorf(x)), top = static_cast<int>(floorf(y));
    const float right_share = x - left, low_share = y - top;
    float3 sum = make_float3(0.f, 0.f, 0.f);
    for (int corner = 0; corner < 4; ++corner) {
        const bool right = corner & 1, low = corner & 2;
        const int column = clamped(left + right, 0, look.width - 1), row = clamped(top + low, 0, look.height - 1);
        const unsigned char* const pixel = look.picture + 3 * (static_cast<size_t>(row) * look.width + column);
        const float share = (right ? right_share : 1.f - right_share) * (low ? low_share : 1.f - low_share);
        sum.x += share * pixel[0];
        sum.y += share * pixel[1];
        sum.z += share * pixel[2];
    }
    return make_float3(rintf(sum.x) / 255.f, rintf(sum.y) / 255.f, rintf(sum.z) / 255.f);
}

// Median of the cells of plain skin, by a block: the mean of the two in the middle, which are one where their number is
// odd. What was written to `values` before is read; `middle` is shared memory for two numbers.
__device__ float median_of(const float* values, const int* plain, int count, float* middle)
{
    __syncthreads();
    for (int i = threadIdx.x; i < count; i += THREADS) {
        const float value = values[plain[i]];
        int rank = 0;
        for (int j = 0; j < count; ++j) {
            const float other = values[plain[j]];
            rank += other < value || (other == value && j < i);
        }
        if (rank == (count - 1) / 2)
            middle[0] = value;
        if (rank == count / 2)
            middle[1] = value;
    }
    __syncthreads();
    const float median = 0.5f * (middle[0] + middle[1]);
    __syncthreads();  // all have read
    return median;
}

// Block x takes a face. weights (KEYPOINTS x CELLS): keypoints to places of the cells' centres; skin (CELLS): how much of
// a cell is plain skin, and the `count` cells that are more than half of it; taps (2 x GRID): by distance in cells, of the
// blur for lightness and of that for colour.
extern "C" __global__ void __launch_bounds__(THREADS) tone(
    const Look* looks, const float* weights, const float* skin, const int* plain, int count, const float* taps)
{
    __shared__ float lab[3][CELLS], weight[CELLS], across[5][CELLS], middle[2], sums[2][THREADS];
    const Look& look = looks[blockIdx.x];
    const int me = threadIdx.x;
    if (!look.points)
        return;

    float3 colour[EACH];
    for (int j = 0; j < EACH; ++j) {
        const int cell = me + THREADS * j;
        float x = 0.f, y = 0.f;
        for (int i = 0; i < KEYPOINTS; ++i) {
            x += weights[i * CELLS + cell] * look.points[2 * i];
            y += weights[i * CELLS + cell] * look.points[2 * i + 1];
        }
        x = fminf(fmaxf(x, -1.f), static_cast<float>(look.width));
        y = fminf(fmaxf(y, -1.f), static_cast<float>(look.height));
        colour[j] = seen(look, x, y);
        across[0][cell] = luma_of(colour[j]);
    }

    // what is unlike the skin's median says little of its light; dark and light skins are brought to one luma first
    const float level = SKIN_LUMA / fmaxf(median_of(across[0], plain, count, middle), 0.02f);
    for (int j = 0; j < EACH; ++j) {
        const int cell = me + THREADS * j;
        const float3 even = lab_of(make_float3(
            fminf(colour[j].x * level, 1.f), fminf(colour[j].y * level, 1.f), fminf(colour[j].z * level, 1.f)));
        lab[0][cell] = even.x;
        lab[1][cell] = even.y;
        lab[2][cell] = even.z;
    }
    const float median[3] = {
        median_of(lab[0], plain, count, middle), median_of(lab[1], plain, count, middle),
        median_of(lab[2], plain, count, middle)};
    for (int j = 0; j < EACH; ++j) {
        const int cell = me + THREADS * j;
        const float l = AXIS_L * (lab[0][cell] - median[0]), a = AXIS_A * (lab[1][cell] - median[1]);
        const float b = AXIS_B * (lab[2][cell] - median[2]);
        weight[cell] = skin[cell] * (1.f - rising(sqrtf(l * l + a * a + b * b), FOREIGN_FROM, FOREIGN_TO) + 1e-4f);
        const float3 own = lab_of(colour[j]);
        lab[0][cell] = own.x;
        lab[1][cell] = own.y;
        lab[2][cell] = own.z;
    }
    __syncthreads();

    // blurred over plain skin, along rows and then along columns
    const float *const lightness = taps, *const tint = taps + GRID;
    for (int j = 0; j < EACH; ++j) {
        const int cell = me + THREADS * j, row = cell / GRID * GRID, column = cell % GRID;
        float sum[5] = {};
        for (int other = 0; other < GRID; ++other) {
            const int distance = abs(other - column), at = row + other;
            const float near = lightness[distance] * weight[at], far = tint[distance] * weight[at];
            sum[0] += near;
            sum[1] += near * lab[0][at];
            sum[2] += far;
            sum[3] += far * lab[1][at];
            sum[4] += far * lab[2][at];
        }
        for (int i = 0; i < 5; ++i)
            across[i][cell] = sum[i];
    }
    __syncthreads();
    float3 low[EACH];
    float total = 0.f, squares = 0.f;
    for (int j = 0; j < EACH; ++j) {
        const int cell = me + THREADS * j, row = cell / GRID, column = cell % GRID;
        float sum[5] = {};
        for (int other = 0; other < GRID; ++other) {
            const int distance = abs(other - row), at = GRID * other + column;
            for (int i = 0; i < 5; ++i)
                sum[i] += (i < 2 ? lightness : tint)[distance] * across[i][at];
        }
        const float near = fmaxf(sum[0], 1e-4f), far = fmaxf(sum[2], 1e-4f);
        low[j] = rgb_of(make_float3(sum[1] / near, sum[3] / far, sum[4] / far));
        const float detail = luma_of(colour[j]) / fmaxf(luma_of(low[j]), 1e-2f) - 1.f;
        total += weight[cell];
        squares += weight[cell] * detail * detail;
    }
    sums[0][me] = total;
    sums[1][me] = squares;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (me < half) {
            sums[0][me] += sums[0][me + half];
            sums[1][me] += sums[1][me + half];
        }
    }

    Running& running = *look.running;
    const bool fresh = look.share == 1.f;  // else what lies there is no number
    for (int j = 0; j < EACH; ++j) {
        const int cell = me + THREADS * j;
        const float now[3] = {low[j].x, low[j].y, low[j].z};
        for (int i = 0; i < 3; ++i) {
            float& known = running.low[i][cell];
            known = fresh ? now[i] : known + look.share * (now[i] - known);
        }
    }
    if (me == 0) {
        const float now = sqrtf(sums[1][0] / sums[0][0]);
        running.contrast = fresh ? now : running.contrast + look.share * (now - running.contrast);
    }
}
