// Views of a person fitted onto live faces, and live heads turned, on an NVIDIA GPU, up to the vertices that OpenGL draws.
//
// The host has the same in effects/modelling.py, effects/expression.py and effects/turning.py: change them together; the
// tests run this very file on the CPU beside those. Between `aim` and `model`, `aim_turned` and `turn` the least squares
// of engines/lstsq solve the affines. Compiled with the constants of sources.py.

constexpr unsigned ALL = 0xffffffffu;
constexpr int LANES = 32;
constexpr int AXES = 3 * KEYPOINTS;
constexpr int EACH = MOST_VERTICES / THREADS;  // vertices of a thread, at most
constexpr int EACH_OF_HEAD = MOST_HEAD_VERTICES / THREADS;

// What is remembered of a face beside a view; KNOWN in model.py.
struct Memory {
    float affine[8];  // the last good one
    float median[AXES];
    float shape[AXES];
};

// One view over one face; LAYER in model.py. The view is a list of numbers that do not change: KEYPOINTS x 3 its solid;
// vertices x 3 that solid at the vertices, vertices x 2 their place in the view's picture, vertices x 1 each: the area of
// the triangles round them there, how far they are clear of covers, and how far they show more than the mirror image
// does; and vertices x 3 the view's tone.
struct Layer {
    const float* points;      // KEYPOINTS x 2 of the live face, frame pixels
    const float* confidence;  // KEYPOINTS
    const float* view;
    const float* tone;        // running, of the live face: Running in tone.cu
    const Memory* before;
    Memory* after;            // not where `before` is: a view may lie over a face twice
    float* samples;           // ring of residuals, AXES each
    float yielding;           // how far it gives way to what is beneath
    float settled;            // share of the way that the shape goes to the median
    float contrast;           // over plain skin in the view
    int slot;                 // of the ring, where the residual of now is kept; -1: it is not
    int first, count, length; // of the ring: those that count, and how many have room
    int fresh;                // 1: nothing is remembered
};

// What the person at the keys wants; WISH in model.py.
struct Wish {
    float expression, mouth;
    float trust_from, trust_to, stretch_from, stretch_to;  // where vertices are transparent, and where opaque
    float gains[KEYPOINTS];  // how much of the shape's difference is followed
};

// Lays out what the least squares take, for each layer: points (LANDMARKS x 3), targets (x 2) and weights.
extern "C" __global__ void aim(
    const Layer* layers, const float* importance, float* points, float* targets, float* weights)
{
    const int i = threadIdx.x, place = LANDMARKS * blockIdx.x + i;
    if (i >= LANDMARKS)
        return;
    const Layer& layer = layers[blockIdx.x];
    for (int axis = 0; axis < 3; ++axis)
        points[3 * place + axis] = layer.view[3 * i + axis];
    targets[2 * place] = layer.points[2 * i];
    targets[2 * place + 1] = layer.points[2 * i + 1];
    weights[place] = importance[i] * fmaxf(layer.confidence[i], 0.05f);
}

// One of the samples that count, the oldest first. (% would cost as much as all the rest of the median.)
__device__ float kept(const float* samples, const Layer& layer, int place, int axis)
{
    const int slot = layer.first + place;
    return samples[(slot < layer.length ? slot : slot - layer.length) * AXES + axis];
}

// Median of a column of a ring: the mean of the two in the middle, which are one where their number is odd.
__device__ float median_of(const float* samples, const Layer& layer, int axis)
{
    float low = 0.f, high = 0.f;
    for (int i = 0; i < layer.count; ++i) {
        const float value = kept(samples, layer, i, axis);
        int rank = 0;
        for (int j = 0; j < layer.count; ++j) {
            const float other = kept(samples, layer, j, axis);
            rank += other < value || (other == value && j < i);
        }
        if (rank == (layer.count - 1) / 2)
            low = value;
        if (rank == layer.count / 2)
            high = value;
    }
    return 0.5f * (low + high);
}

__device__ float smoothstep(float low, float high, float value)
{
    const float share = fminf(fmaxf((value - low) / (high - low), 0.f), 1.f);
    return share * share * (3.f - 2.f * share);
}

__device__ float2 minus(float2 a, float2 b) { return make_float2(a.x - b.x, a.y - b.y); }

// The largest of what the threads of a block have; `of_warps` is shared memory for THREADS / LANES numbers.
__device__ float block_max(float value, float* of_warps)
{
    for (int mask = LANES / 2; mask > 0; mask /= 2)
        value = fmaxf(value, __shfl_xor_sync(ALL, value, mask));
    if (threadIdx.x % LANES == 0)
        of_warps[threadIdx.x / LANES] = value;
    __syncthreads();
    for (int warp = 0; warp < THREADS / LANES; ++warp)
        value = fmaxf(value, of_warps[warp]);
    __syncthreads();  // all have read
    return value;
}

// What becomes of a vertex's colours, as shaders/warp.vert takes it: they get the live face's tone in place of `source`,
// the view's. `contrast` is that of the live face to that of the view.
__device__ void relit(const float* tone, float2 uv, const float* source, float contrast, float (&out)[7])
{
    const float x = uv.x * GRID - 0.5f, y = uv.y * GRID - 0.5f;
    const int left = static_cast<int>(floorf(x)), top = static_cast<int>(floorf(y));
    float low[3] = {};
    for (int corner = 0; corner < 4; ++corner) {
        const int column = left + (corner & 1), row = top + (corner >> 1);
        const float across = corner & 1 ? x - left : 1.f - (x - left), down = corner & 2 ? y - top : 1.f - (y - top);
        const int cell = GRID * min(max(row, 0), GRID - 1) + min(max(column, 0), GRID - 1);
        for (int i = 0; i < 3; ++i)
            low[i] += across * down * tone[GRID * GRID * i + cell];
    }
    const float luma = LUMA_R * low[0] + LUMA_G * low[1] + LUMA_B * low[2];
    const float source_luma = LUMA_R * source[0] + LUMA_G * source[1] + LUMA_B * source[2];
    const float scale = 1.f / fmaxf(source_luma, DARKEST);
    float alike = 0.f, strength = 0.f;
    for (int i = 0; i < 3; ++i) {
        alike += (low[i] - luma) * (source[i] - source_luma);
        strength += (source[i] - source_luma) * (source[i] - source_luma);
    }
    const float tint = BLUSH * fminf(fmaxf(alike / fmaxf(strength, 1e-5f), COLOUR_LEAST), COLOUR_MOST);
    for (int i = 0; i < 3; ++i) {
        out[i] = scale * (contrast * low[i] - tint * (source[i] - source_luma));
        out[4 + i] = (1.f - contrast * scale * source_luma) * low[i];
    }
    out[3] = tint;
}

// A block of THREADS makes the vertices of a layer. `affines` (layers x 8) are this frame's, NaN where there is none;
// weights (KEYPOINTS x vertices), uv and fans (vertices x FAN: the other two corners of each triangle round a vertex,
// -1 where there are no more) are the mesh's. Writes `drawn`, layers x vertices x 17 as shaders/warp.vert takes them,
// and for the host `told`, for each layer the affine, 8 numbers, and the vertices' position, 3 each.
extern "C" __global__ void __launch_bounds__(THREADS) model(
    const Layer* layers, const Wish* wish, const float* affines, const float* weights, const float2* uv,
    const int2* fans, int vertices, float* drawn, float* told)
{
    __shared__ float affine[8];
    __shared__ float moved[AXES];
    __shared__ float2 points[KEYPOINTS], live[KEYPOINTS], placed[MOST_VERTICES];
    __shared__ float of_warps[THREADS / LANES];
    const Layer& layer = layers[blockIdx.x];
    const int me = threadIdx.x;
    told += static_cast<size_t>(8 + 3 * vertices) * blockIdx.x;

    if (me == 0) {
        const float* found = affines + 8 * blockIdx.x;
        bool good = true;
        for (int i = 0; i < 8; ++i)
            good = good && isfinite(found[i]);
        for (int i = 0; i < 8; ++i) {
            affine[i] = good || layer.fresh ? found[i] : layer.before->affine[i];
            layer.after->affine[i] = told[i] = affine[i];
        }
    }
    __syncthreads();

    // where the view's keypoints lie; what the live ones differ goes back into the view's axes, the shortest way
    const float a = affine[0], b = affine[1], c = affine[2], d = affine[4], e = affine[5], f = affine[6];
    const float across = a * a + b * b + c * c, both = a * d + b * e + c * f, down = d * d + e * e + f * f;
    const float per = 1.f / (across * down - both * both);
    if (me < KEYPOINTS) {
        const float x = layer.view[3 * me], y = layer.view[3 * me + 1], z = layer.view[3 * me + 2];
        live[me] = make_float2(layer.points[2 * me], layer.points[2 * me + 1]);
        points[me] = make_float2(a * x + b * y + c * z + affine[3], d * x + e * y + f * z + affine[7]);
        const float2 off = minus(live[me], points[me]);
        const float u = (down * off.x - both * off.y) * per, v = (across * off.y - both * off.x) * per;
        moved[3 * me] = a * u + d * v;
        moved[3 * me + 1] = b * u + e * v;
        moved[3 * me + 2] = c * u + f * v;
    }
    __syncthreads();

    // the running median of that is how the two faces differ in shape, the rest is expression
    for (int axis = me; axis < AXES; axis += THREADS) {
        const float now = moved[axis];
        float median = layer.fresh ? now : layer.before->median[axis];
        if (layer.slot >= 0) {
            layer.samples[layer.slot * AXES + axis] = now;
            median = median_of(layer.samples, layer, axis);
        }
        float shape = layer.fresh ? median : layer.before->shape[axis];
        shape += layer.settled * (median - shape);
        layer.after->median[axis] = median;
        layer.after->shape[axis] = shape;
        moved[axis] = wish->gains[axis / 3] * shape + wish->expression * (now - shape);
    }
    __syncthreads();
    if (me < KEYPOINTS) {
        points[me].x += a * moved[3 * me] + b * moved[3 * me + 1] + c * moved[3 * me + 2];
        points[me].y += d * moved[3 * me] + e * moved[3 * me + 1] + f * moved[3 * me + 2];
    }
    __syncthreads();

    // the mouth opens as far as the live one, square to the line of the eyes
    if (me < 3) {
        float2 right = make_float2(0.f, 0.f);
        for (int i = 0; i < 6; ++i) {
            const float2 along = minus(live[RIGHT_EYE + i], live[LEFT_EYE + i]);
            right.x += along.x / 6.f;
            right.y += along.y / 6.f;
        }
        const float length = fmaxf(hypotf(right.x, right.y), 1e-6f);
        const float2 up = make_float2(right.y / length, -right.x / length);
        const int lips[3][4] = {{61, 67, 50, 58}, {62, 66, 51, 57}, {63, 65, 52, 56}};
        const int upper = lips[me][0], lower = lips[me][1];
        const float2 wanted = minus(live[upper], live[lower]), open = minus(points[upper], points[lower]);
        const float change = 0.5f * wish->mouth *
            (fmaxf(wanted.x * up.x + wanted.y * up.y, 0.f) - (open.x * up.x + open.y * up.y));
        for (int i = 0; i < 4; ++i) {
            const float step = i % 2 ? -change : change;
            points[lips[me][i]].x += step * up.x;
            points[lips[me][i]].y += step * up.y;
        }
    }
    __syncthreads();

    // keypoints to vertices
    const float* const solid = layer.view + AXES;
    const float* const source = solid + 3 * vertices;
    const float* const area = source + 2 * vertices;
    const float* const clear = area + vertices;
    const float* const share = clear + vertices;
    const float* const shades = share + vertices;
    const float contrast = fminf(
        fmaxf(layer.tone[3 * GRID * GRID] / fmaxf(layer.contrast, 1e-3f), CONTRAST_LEAST), CONTRAST_MOST);
    const float normal[3] = {b * f - c * e, c * d - a * f, a * e - b * d};
    float2 seen[EACH];
    float sure[EACH], depth[EACH], low = 1e30f, high = -1e30f;
    for (int j = 0; j < EACH; ++j) {
        const int v = me + THREADS * j;
        if (v >= vertices)
            continue;
        float2 at = make_float2(0.f, 0.f);
        seen[j] = make_float2(0.f, 0.f);
        sure[j] = 0.f;
        for (int i = 0; i < KEYPOINTS; ++i) {
            const float weight = weights[i * vertices + v];
            at.x += weight * points[i].x;
            at.y += weight * points[i].y;
            seen[j].x += weight * live[i].x;
            seen[j].y += weight * live[i].y;
            sure[j] += weight * layer.confidence[i];
        }
        placed[v] = at;
        depth[j] = normal[0] * solid[3 * v] + normal[1] * solid[3 * v + 1] + normal[2] * solid[3 * v + 2];
        low = fminf(low, depth[j]);
        high = fmaxf(high, depth[j]);
    }
    low = -block_max(-low, of_warps);
    high = block_max(high, of_warps);  // and all have placed theirs

    const float scale = fmaxf(hypotf(a, b) * hypotf(d, e), 1e-6f), per_depth = 1.9f / fmaxf(high - low, 1e-12f);
    for (int j = 0; j < EACH; ++j) {
        const int v = me + THREADS * j;
        if (v >= vertices)
            continue;
        float room = 0.f;
        for (int i = 0; i < FAN && fans[FAN * v + i].x >= 0; ++i) {
            const float2 one = minus(placed[fans[FAN * v + i].x], placed[v]);
            const float2 other = minus(placed[fans[FAN * v + i].y], placed[v]);
            room += 0.5f * (one.x * other.y - one.y * other.x);
        }
        const float stretch = fabsf(room) > 1e-6f ? area[v] / room * scale : 0.f;
        const float trust = smoothstep(wish->trust_from, wish->trust_to, sure[j]) *
            smoothstep(wish->stretch_from, wish->stretch_to, stretch) * (1.f - layer.yielding * (1.f - share[v])) *
            clear[v];
        const float3 at = make_float3(placed[v].x, placed[v].y, per_depth * (depth[j] - low) - 0.95f);
        const float first[10] = {
            at.x, at.y, at.z, source[2 * v], source[2 * v + 1], seen[j].x, seen[j].y, uv[v].x, uv[v].y, trust};
        float* const out = drawn + 17 * (static_cast<size_t>(vertices) * blockIdx.x + v);
        for (int i = 0; i < 10; ++i)
            out[i] = first[i];
        float light[7];
        relit(layer.tone, uv[v], shades + 3 * v, contrast, light);
        for (int i = 0; i < 7; ++i)
            out[10 + i] = light[i];
        told[8 + 3 * v] = at.x;
        told[8 + 3 * v + 1] = at.y;
        told[8 + 3 * v + 2] = at.z;
    }
}

// A live head, and how it turns; HEAD in model.py.
struct Head {
    const float* points;  // KEYPOINTS x 2, frame pixels
    const float* depth;   // KEYPOINTS
    float rotation[9];    // row by row
    float backwards;      // depth of one eye distance away from where it looks
};

// Lays out what the least squares take, for each head: its landmarks with depth (LANDMARKS x 3), and where they are once
// it has turned about a point behind their mean (x 2).
extern "C" __global__ void aim_turned(const Head* heads, float* points, float* targets)
{
    const int i = threadIdx.x, place = LANDMARKS * blockIdx.x + i;
    if (i >= LANDMARKS)
        return;
    const Head& head = heads[blockIdx.x];
    const float* const flat = head.points;
    const float x0 = flat[0], y0 = flat[1];  // numbers are kept small
    float x = 0.f, y = 0.f, z = 0.f;
    for (int k = 0; k < LANDMARKS; ++k) {
        x += (flat[2 * k] - x0) / LANDMARKS;
        y += (flat[2 * k + 1] - y0) / LANDMARKS;
        z += head.depth[k] / LANDMARKS;
    }
    const float across = flat[2 * RIGHT_CORNER] - flat[2 * LEFT_CORNER];
    const float down = flat[2 * RIGHT_CORNER + 1] - flat[2 * LEFT_CORNER + 1];
    z += PIVOT * hypotf(across, down);
    const float off[3] = {flat[2 * i] - x0 - x, flat[2 * i + 1] - y0 - y, head.depth[i] - z};
    const float* const turn = head.rotation;
    points[3 * place] = flat[2 * i];
    points[3 * place + 1] = flat[2 * i + 1];
    points[3 * place + 2] = head.depth[i];
    targets[2 * place] = turn[0] * off[0] + turn[1] * off[1] + turn[2] * off[2] + x + x0;
    targets[2 * place + 1] = turn[3] * off[0] + turn[4] * off[1] + turn[5] * off[2] + y + y0;
}

// A block of THREADS makes the vertices of a head: first `inner` of the face, then those of the rings round it, each of
// which hangs on a vertex of the face (anchors) and follows its movement by a share (follow). `relief` says how many eye
// distances a vertex lies behind the surface of the keypoints. `affines`, weights, uv, `drawn` and `told` as in `model`;
// the texture is the live frame itself, in its own colours.
extern "C" __global__ void __launch_bounds__(THREADS) turn(
    const Head* heads, const float* affines, const float* weights, const float2* uv, const float* relief,
    const int* anchors, const float* follow, int inner, int vertices, float* drawn, float* told)
{
    __shared__ float points[AXES];
    __shared__ float2 moved[MOST_VERTICES];
    __shared__ float of_warps[THREADS / LANES];
    const Head& head = heads[blockIdx.x];
    const float* const affine = affines + 8 * blockIdx.x;
    const int me = threadIdx.x;
    told += static_cast<size_t>(8 + 3 * vertices) * blockIdx.x;
    if (me < 8)
        told[me] = affine[me];
    if (me < KEYPOINTS) {
        points[3 * me] = head.points[2 * me];
        points[3 * me + 1] = head.points[2 * me + 1];
        points[3 * me + 2] = head.depth[me];
    }
    __syncthreads();

    const float a = affine[0], b = affine[1], c = affine[2], d = affine[4], e = affine[5], f = affine[6];
    const float normal[3] = {b * f - c * e, c * d - a * f, a * e - b * d};
    float2 source[EACH_OF_HEAD];
    float depth[EACH_OF_HEAD], low = 1e30f, high = -1e30f;
    for (int j = 0; j < EACH_OF_HEAD; ++j) {
        const int v = me + THREADS * j;
        if (v >= vertices)
            continue;
        float x = 0.f, y = 0.f, z = relief[v] * head.backwards;
        for (int i = 0; i < KEYPOINTS; ++i) {
            const float weight = weights[i * vertices + v];
            x += weight * points[3 * i];
            y += weight * points[3 * i + 1];
            z += weight * points[3 * i + 2];
        }
        source[j] = make_float2(x, y);
        depth[j] = normal[0] * x + normal[1] * y + normal[2] * z;
        low = fminf(low, depth[j]);
        high = fmaxf(high, depth[j]);
        if (v < inner)
            moved[v] = make_float2(a * x + b * y + c * z + affine[3] - x, d * x + e * y + f * z + affine[7] - y);
    }
    low = -block_max(-low, of_warps);
    high = block_max(high, of_warps);  // and all have moved theirs

    const float per_depth = 1.9f / fmaxf(high - low, 1e-12f);
    for (int j = 0; j < EACH_OF_HEAD; ++j) {
        const int v = me + THREADS * j;
        if (v >= vertices)
            continue;
        const bool of_face = v < inner;
        const float share = of_face ? 1.f : follow[v - inner];
        const float2 by = moved[of_face ? v : anchors[v - inner]];
        // what surrounds the face lies behind all of it
        const float z = of_face ? 0.5f * (per_depth * (depth[j] - low) - 0.95f) - 0.5f : 0.9f - 0.4f * share;
        const float3 at = make_float3(source[j].x + share * by.x, source[j].y + share * by.y, z);
        const float all[17] = {
            at.x, at.y, at.z, source[j].x, source[j].y, source[j].x, source[j].y, uv[v].x, uv[v].y,
            1.f, 1.f, 1.f, 1.f, 1.f, 0.f, 0.f, 0.f};
        float* const out = drawn + 17 * (static_cast<size_t>(vertices) * blockIdx.x + v);
        for (int i = 0; i < 17; ++i)
            out[i] = all[i];
        told[8 + 3 * v] = at.x;
        told[8 + 3 * v + 1] = at.y;
        told[8 + 3 * v + 2] = at.z;
    }
}
