// The affine least squares of engines/lstsq on an NVIDIA GPU: a warp takes a face, then the next one.
//
// Lane l holds the points l, l + 32, l + 64. The columns 1, x, y, z are taken out of the points one after the other
// (modified Gram-Schmidt), which gives the Cholesky factor of the centred, weighted 3x3 Gram matrix without forming it:
// as many operations, but single precision then suffices for the rules of rules.py, whose thresholds squares would
// drown (points on a line: 1e-8 of the squared trace). What is left of the targets are the residuals.
//
// Compiled with the constants of rules.py and cuda.py: MIN_POINTS, FLAT, SHALLOW, MAX_POINTS, WARPS.
// The tests run this very file on the CPU, and a NumPy twin of it, line by line: change them together.

#include <cuda_pipeline.h>

constexpr unsigned ALL = 0xffffffffu;
constexpr int LANES = 32;
constexpr int OWN = MAX_POINTS / LANES;  // points of a lane

// Starts the copy of `floats` numbers to shared memory, 16 bytes a lane where both ends allow it.
__device__ void fetch(float* to, const float* from, int floats, int lane)
{
    if (reinterpret_cast<size_t>(from) % 16 == 0 && floats % 4 == 0) {
        for (int i = 4 * lane; i < floats; i += 4 * LANES)
            __pipeline_memcpy_async(to + i, from + i, 16);
    } else {
        for (int i = lane; i < floats; i += LANES)
            __pipeline_memcpy_async(to + i, from + i, 4);
    }
}

// Replaces each value by its sum over the warp. At each step lanes keep one half of the list and hand over the other,
// so that eight sums cost 9 shuffles, not 40; then lane 32 / N * k knows sum k, and tells it to all.
template <int N>
__device__ void warp_sums(float (&values)[N], int lane)
{
    int mask = LANES / 2;
#pragma unroll
    for (int half = N / 2; half > 0; half /= 2, mask /= 2) {
        const bool upper = lane & mask;
#pragma unroll
        for (int i = 0; i < half; ++i) {
            const float kept = upper ? values[i + half] : values[i];
            const float given = upper ? values[i] : values[i + half];
            values[i] = kept + __shfl_xor_sync(ALL, given, mask);
        }
    }
#pragma unroll
    for (; mask > 0; mask /= 2)
        values[0] += __shfl_xor_sync(ALL, values[0], mask);
    const float sum = values[0];
#pragma unroll
    for (int i = 0; i < N; ++i)
        values[i] = __shfl_sync(ALL, sum, LANES / N * i);
}

// points (faces, count, 3), targets (faces, count, 2) and weights (faces, count) or null give affines (faces, 2, 4);
// residuals (faces, count, 2), losses (faces) and gradients (faces, count) of the loss in z are written unless null.
// Launched with 32 * WARPS threads a block, any number of blocks, and shared memory for two stages of each warp.
extern "C" __global__ void __launch_bounds__(LANES* WARPS) affine_lstsq(
    const float* points, const float* targets, const float* weights, float4* affines, float2* residuals, float* losses,
    float* gradients, long long faces, int count, float ridge)
{
    extern __shared__ float4 staging[];
    const int lane = threadIdx.x % LANES;
    const int warp = threadIdx.x / LANES;
    const int padded = (count + 3) / 4 * 4;
    const int stage = (weights ? 6 : 5) * padded;
    float* const memory = reinterpret_cast<float*>(staging) + 2 * stage * warp;
    const long long stride = static_cast<long long>(WARPS) * gridDim.x;
    const long long first = static_cast<long long>(WARPS) * blockIdx.x + warp;

    const auto fetch_face = [&](long long face, float* to) {
        if (face < faces) {
            fetch(to, points + face * 3 * count, 3 * count, lane);
            fetch(to + 3 * padded, targets + face * 2 * count, 2 * count, lane);
            if (weights)
                fetch(to + 5 * padded, weights + face * count, count, lane);
        }
        __pipeline_commit();
    };

    fetch_face(first, memory);
    int turn = 0;
    for (long long face = first; face < faces; face += stride, turn ^= 1) {
        // the next face travels while this one is solved
        fetch_face(face + stride, memory + (turn ^ 1) * stage);
        __pipeline_wait_prior(1);
        __syncwarp();

        // the first point is the origin for now: far from zero, too, nothing but the face's own size is rounded
        const float* const here = memory + turn * stage;
        const float* const goal = here + 3 * padded;
        const float x0 = here[0], y0 = here[1], z0 = here[2], u0 = goal[0], v0 = goal[1];
        float x[OWN], y[OWN], z[OWN], u[OWN], v[OWN], w[OWN];
        float sum[8] = {};
#pragma unroll
        for (int j = 0; j < OWN; ++j) {
            const int i = lane + LANES * j;
            const bool mine = i < count;
            x[j] = mine ? here[3 * i] - x0 : 0.f;
            y[j] = mine ? here[3 * i + 1] - y0 : 0.f;
            z[j] = mine ? here[3 * i + 2] - z0 : 0.f;
            u[j] = mine ? goal[2 * i] - u0 : 0.f;
            v[j] = mine ? goal[2 * i + 1] - v0 : 0.f;
            w[j] = !mine ? 0.f : weights ? goal[2 * padded + i] : 1.f;
            sum[0] += w[j];
            sum[1] += w[j] * x[j];
            sum[2] += w[j] * y[j];
            sum[3] += w[j] * z[j];
            sum[4] += w[j] * u[j];
            sum[5] += w[j] * v[j];
            sum[6] += w[j] > 0.f ? 1.f : 0.f;
        }
        __syncwarp();  // all have read: the next fetch may overwrite
        warp_sums(sum, lane);
        const float per_n = 1.f / sum[0], visible = sum[6];
        const float mx = sum[1] * per_n, my = sum[2] * per_n, mz = sum[3] * per_n;
        const float mu = sum[4] * per_n, mv = sum[5] * per_n;

        // centred; then x is taken out of the others
        float by_x[8] = {};
#pragma unroll
        for (int j = 0; j < OWN; ++j) {
            x[j] -= mx;
            y[j] -= my;
            z[j] -= mz;
            u[j] -= mu;
            v[j] -= mv;
            const float wx = w[j] * x[j];
            by_x[0] += wx * x[j];
            by_x[1] += wx * y[j];
            by_x[2] += wx * z[j];
            by_x[3] += wx * u[j];
            by_x[4] += wx * v[j];
            by_x[5] += w[j] * y[j] * y[j];
            by_x[6] += w[j] * z[j] * z[j];
        }
        warp_sums(by_x, lane);
        const float xx = by_x[0], yy = by_x[5], zz = by_x[6], per_xx = 1.f / xx;
        const float yx = by_x[1] * per_xx, zx = by_x[2] * per_xx, ux = by_x[3] * per_xx, vx = by_x[4] * per_xx;

        // then what is left of y
        float by_y[4] = {};
#pragma unroll
        for (int j = 0; j < OWN; ++j) {
            y[j] -= yx * x[j];
            z[j] -= zx * x[j];
            u[j] -= ux * x[j];
            v[j] -= vx * x[j];
            const float wy = w[j] * y[j];
            by_y[0] += wy * y[j];
            by_y[1] += wy * z[j];
            by_y[2] += wy * u[j];
            by_y[3] += wy * v[j];
        }
        warp_sums(by_y, lane);
        const float y_left = by_y[0], per_y = 1.f / y_left;
        const float zy = by_y[1] * per_y, uy = by_y[2] * per_y, vy = by_y[3] * per_y;

        // then what is left of z, unless that is too little to tell from a plane
        float by_z[4] = {};
#pragma unroll
        for (int j = 0; j < OWN; ++j) {
            z[j] -= zy * y[j];
            u[j] -= uy * y[j];
            v[j] -= vy * y[j];
            const float wz = w[j] * z[j];
            by_z[0] += wz * z[j];
            by_z[1] += wz * u[j];
            by_z[2] += wz * v[j];
        }
        warp_sums(by_z, lane);
        const float z_left = by_z[0];
        const float per_z = z_left <= SHALLOW * zz ? 0.f : 1.f / (z_left + ridge * zz * per_n);
        const float uz = by_z[1] * per_z, vz = by_z[2] * per_z;

        // back substitution, row by row; too few points, or points on a line, have no affine
        const float trace = xx + yy;
        const bool solvable = visible >= MIN_POINTS && xx * y_left > FLAT * trace * trace;
        const float gate = solvable ? 0.f : __int_as_float(0x7fffffff);  // NaN
        const auto row = [&](float by_x, float by_y, float by_z, float middle) {
            const float down = by_y - by_z * zy;
            const float across = by_x - down * yx - by_z * zx;
            const float shift = middle - across * (mx + x0) - down * (my + y0) - by_z * (mz + z0);
            return make_float4(across + gate, down + gate, by_z + gate, shift + gate);
        };
        const float4 to_u = row(ux, uy, uz, mu + u0);
        const float4 to_v = row(vx, vy, vz, mv + v0);
        if (lane < 2)
            affines[2 * face + lane] = lane == 0 ? to_u : to_v;

        if (!residuals && !losses && !gradients)
            continue;
        // the loss is at its minimum over the affine, so what the affine does as z moves adds nothing to the gradient
        float loss[1] = {};
#pragma unroll
        for (int j = 0; j < OWN; ++j) {
            const int i = lane + LANES * j;
            u[j] += gate - uz * z[j];
            v[j] += gate - vz * z[j];
            loss[0] += w[j] * (u[j] * u[j] + v[j] * v[j]);
            if (i < count && residuals)
                residuals[face * count + i] = make_float2(u[j], v[j]);
            if (i < count && gradients)
                gradients[face * count + i] = -2.f * w[j] * (u[j] * uz + v[j] * vz);
        }
        if (losses) {
            warp_sums(loss, lane);
            if (lane == 0)
                losses[face] = loss[0];
        }
    }
}
