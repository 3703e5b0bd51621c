// Known faces on an NVIDIA GPU, before DepthNet and after it: their steadying, their depth, their turn.
//
// The host has the same in FaceFilter, lift.depth_inputs and lift.lifted: change them together; the tests run this very
// file on the CPU beside those. Compiled with the constants of sources.py.

constexpr unsigned ALL = 0xffffffffu;
constexpr int LANES = 32;
constexpr int OWN = (KEYPOINTS + LANES - 1) / LANES;  // points of a lane
constexpr float TAU = 6.2831853f;

// What becomes of a face; SEEN in kernels.py. Pixels of the frame.
struct Seen {
    float seen[2 * KEYPOINTS];  // before the filter
    float points[2 * KEYPOINTS];
    float motion[2 * KEYPOINTS];
    float change[2 * KEYPOINTS];
    float confidence[KEYPOINTS];
    float side;                 // of the box that DepthNet sees the points in
    float depth[KEYPOINTS];     // of the points, mean 0 over the landmarks
    float rotation[9];          // of the head, row by row
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
    const float side = BOX_SCALE * fmaxf(fmaxf(high_x - low_x, high_y - low_y), 1e-6f), per_side = 1.f / side;
    if (lane == 0)
        now.side = side;
    for (int j = 0; j < OWN; ++j) {
        const int i = lane + LANES * j;
        if (i >= LANDMARKS)
            continue;
        const int place = 2 * (LANDMARKS * face + i);
        source[place] = target[place] = (x[j] - 0.5f * (low_x + high_x)) * per_side;
        source[place + 1] = target[place + 1] = (y[j] - 0.5f * (low_y + high_y)) * per_side;
    }
}

// The eigenvector of the largest eigenvalue of a symmetric matrix, and that, by Jacobi's rotations.
__device__ float largest(float (&matrix)[4][4], float (&vector)[4])
{
    float vectors[4][4] = {{1.f, 0.f, 0.f, 0.f}, {0.f, 1.f, 0.f, 0.f}, {0.f, 0.f, 1.f, 0.f}, {0.f, 0.f, 0.f, 1.f}};
    for (int sweep = 0; sweep < 8; ++sweep)
#pragma unroll
        for (int p = 0; p < 3; ++p)
#pragma unroll
            for (int q = p + 1; q < 4; ++q) {
                if (matrix[p][q] == 0.f)
                    continue;
                const float ratio = (matrix[q][q] - matrix[p][p]) / (2.f * matrix[p][q]);
                const float tangent = copysignf(1.f / (fabsf(ratio) + sqrtf(ratio * ratio + 1.f)), ratio);
                const float cosine = 1.f / sqrtf(tangent * tangent + 1.f), sine = tangent * cosine;
                const auto rotate = [&](float& one, float& other) {
                    const float kept = one;
                    one = cosine * kept - sine * other;
                    other = sine * kept + cosine * other;
                };
#pragma unroll
                for (int k = 0; k < 4; ++k)
                    rotate(matrix[k][p], matrix[k][q]);
#pragma unroll
                for (int k = 0; k < 4; ++k)
                    rotate(matrix[p][k], matrix[q][k]);
#pragma unroll
                for (int k = 0; k < 4; ++k)
                    rotate(vectors[k][p], vectors[k][q]);
            }
    float most = -1e30f;
#pragma unroll
    for (int i = 0; i < 4; ++i)
        if (matrix[i][i] > most) {
            most = matrix[i][i];
            for (int k = 0; k < 4; ++k)
                vector[k] = vectors[k][i];
        }
    return most;
}

// From what DepthNet says to pixels; then the mean face is grown, turned and shifted onto the landmarks by least squares
// (the quaternion of Horn, JOSA A 1987), which gives the head's turn and the depth of the forehead. A block of one warp
// takes a face.
//
// relative (faces, LANDMARKS) is in units of the box; mean_face (KEYPOINTS) has x, y, z from the weighted mean of the
// landmarks, and each point's share in the fit, which add up to 1. Writes depth and rotation of what is after.
extern "C" __global__ void __launch_bounds__(LANES) lift(
    const Memory* before, const float* relative, const float4* mean_face)
{
    const int lane = threadIdx.x;
    Seen& now = *before[blockIdx.x].after;
    relative += LANDMARKS * blockIdx.x;
    float sum = 0.f;
    for (int i = lane; i < LANDMARKS; i += LANES)
        sum += relative[i];
    const float middle = warp_sum(sum) / LANDMARKS;

    // numbers are kept small: the origin is one of the points
    const float x0 = now.points[0], y0 = now.points[1], side = now.side;
    float points[OWN][3] = {}, mean[OWN][3] = {}, share[OWN] = {}, centre[3] = {};
    for (int j = 0; j < OWN; ++j) {
        const int i = lane + LANES * j;
        if (i >= KEYPOINTS)
            continue;
        const float4 known = mean_face[i];
        mean[j][0] = known.x;
        mean[j][1] = known.y;
        mean[j][2] = known.z;
        share[j] = known.w;
        points[j][0] = now.points[2 * i] - x0;
        points[j][1] = now.points[2 * i + 1] - y0;
        points[j][2] = i < LANDMARKS ? (relative[i] - middle) * side : 0.f;
        for (int axis = 0; axis < 3; ++axis)
            centre[axis] += share[j] * points[j][axis];
    }
    for (int axis = 0; axis < 3; ++axis)
        centre[axis] = warp_sum(centre[axis]);

    float sums[3][3] = {}, spread = 0.f;  // of the mean face's axis with the points' axis
    for (int j = 0; j < OWN; ++j)
        for (int from = 0; from < 3; ++from) {
            const float weighted = share[j] * mean[j][from];
            spread += weighted * mean[j][from];
            for (int to = 0; to < 3; ++to)
                sums[from][to] += weighted * (points[j][to] - centre[to]);
        }
    spread = warp_sum(spread);
    for (int from = 0; from < 3; ++from)
        for (int to = 0; to < 3; ++to)
            sums[from][to] = warp_sum(sums[from][to]);
    const float xx = sums[0][0], yy = sums[1][1], zz = sums[2][2];
    const float yz = sums[1][2] - sums[2][1], zx = sums[2][0] - sums[0][2], xy = sums[0][1] - sums[1][0];
    const float and_yz = sums[1][2] + sums[2][1], and_zx = sums[2][0] + sums[0][2], and_xy = sums[0][1] + sums[1][0];
    float matrix[4][4] = {
        {xx + yy + zz, yz, zx, xy},
        {yz, xx - yy - zz, and_xy, and_zx},
        {zx, and_xy, yy - xx - zz, and_yz},
        {xy, and_zx, and_yz, zz - xx - yy}};
    float turn[4] = {1.f, 0.f, 0.f, 0.f};
    const float scale = largest(matrix, turn) / fmaxf(spread, 1e-12f);
    const float w = turn[0], x = turn[1], y = turn[2], z = turn[3];
    const float rotation[9] = {
        1.f - 2.f * (y * y + z * z), 2.f * (x * y - w * z), 2.f * (x * z + w * y),
        2.f * (x * y + w * z), 1.f - 2.f * (x * x + z * z), 2.f * (y * z - w * x),
        2.f * (x * z - w * y), 2.f * (y * z + w * x), 1.f - 2.f * (x * x + y * y)};
    for (int j = 0; j < OWN; ++j) {
        const int i = lane + LANES * j;
        if (i >= KEYPOINTS)
            continue;
        const float turned = rotation[6] * mean[j][0] + rotation[7] * mean[j][1] + rotation[8] * mean[j][2];
        now.depth[i] = i < LANDMARKS ? points[j][2] : scale * turned + centre[2];
    }
    if (lane == 0)
        for (int i = 0; i < 9; ++i)
            now.rotation[i] = rotation[i];
}
