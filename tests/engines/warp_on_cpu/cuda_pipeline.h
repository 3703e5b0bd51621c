// Just enough of CUDA to run engines/lstsq/lstsq.cu as it stands on a CPU, one warp at a time.
//
// The 32 lanes are fibers that take turns: each runs up to its next shuffle or barrier, then the next lane does. So
// what a lane reads of others is there only where the kernel waits for it; an asynchronous copy, too, lands no sooner
// than its own lane waits for it. Lanes that wait at different places end the process.

#include <ucontext.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <vector>

#define __global__
#define __device__ static
#define __shared__
#define __launch_bounds__(threads)

struct float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
static float2 make_float2(float x, float y) { return {x, y}; }
static float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static float __int_as_float(int bits) { float value; std::memcpy(&value, &bits, 4); return value; }

struct Index { int x; };
static Index threadIdx, blockIdx, gridDim;
float4 staging[2 * WARPS * 6 * (MAX_POINTS + 4) / 4];  // the block's shared memory

namespace warp {

struct Copy { void* to; const void* from; size_t bytes; };
struct Lane {
    ucontext_t context;
    std::vector<char> stack = std::vector<char>(1 << 16);
    int thread, step, place;
    bool done;
    std::deque<std::vector<Copy>> groups;  // of asynchronous copies, the open one last
};
static Lane lanes[32];
static Lane* running;
static ucontext_t scheduler;
static float posted[2][32];
static std::function<void()> kernel;  // with its arguments

// Lets every other lane come as far as this one.
static void meet(int place)
{
    running->place = place;
    ++running->step;
    Lane* const mine = running;
    swapcontext(&mine->context, &scheduler);
}

static float exchange(float value, int from, int place)
{
    float* const slots = posted[running->step % 2];
    slots[running->thread % 32] = value;
    meet(place);
    return slots[from];
}

static void run(int block, int blocks, int warp)
{
    for (int i = 0; i < 32; ++i) {
        Lane& lane = lanes[i];
        lane.thread = 32 * warp + i;
        lane.step = 0;
        lane.done = false;
        lane.groups.assign(1, {});
        getcontext(&lane.context);
        lane.context.uc_stack = {lane.stack.data(), 0, lane.stack.size()};
        lane.context.uc_link = &scheduler;
        makecontext(&lane.context, static_cast<void (*)()>([] { kernel(); running->done = true; }), 0);
    }
    while (!lanes[0].done) {
        for (Lane& lane : lanes) {
            running = &lane;
            threadIdx = {lane.thread};
            blockIdx = {block};
            gridDim = {blocks};
            swapcontext(&scheduler, &lane.context);
        }
        for (const Lane& lane : lanes) {
            if (lane.done != lanes[0].done || (!lane.done && lane.place != lanes[0].place)) {
                std::fprintf(stderr, "lane %d waits at %d, lane 0 at %d\n", lane.thread, lane.place, lanes[0].place);
                std::abort();
            }
        }
    }
}

}  // namespace warp

#define __shfl_xor_sync(mask, value, other) warp::exchange(value, (threadIdx.x % 32) ^ (other), __LINE__)
#define __shfl_sync(mask, value, from) warp::exchange(value, from, __LINE__)
#define __syncwarp() warp::meet(__LINE__)

static void __pipeline_memcpy_async(void* to, const void* from, size_t bytes)
{
    if (reinterpret_cast<uintptr_t>(to) % bytes || reinterpret_cast<uintptr_t>(from) % bytes) {
        std::fprintf(stderr, "an asynchronous copy of %zu bytes is not aligned\n", bytes);
        std::abort();
    }
    warp::running->groups.back().push_back({to, from, bytes});
}
static void __pipeline_commit() { warp::running->groups.emplace_back(); }
static void __pipeline_wait_prior(size_t open)
{
    auto& groups = warp::running->groups;
    for (; groups.size() > open + 1; groups.pop_front())
        for (const auto& copy : groups.front())
            std::memcpy(copy.to, copy.from, copy.bytes);
}

extern "C" void affine_lstsq(
    const float*, const float*, const float*, float4*, float2*, float*, float*, long long, int, float);

// As the kernel's launch on `blocks` blocks.
extern "C" void launch(
    int blocks, const float* points, const float* targets, const float* weights, float4* affines, float2* residuals,
    float* losses, float* gradients, long long faces, int count, float ridge)
{
    warp::kernel = [=] {
        affine_lstsq(points, targets, weights, affines, residuals, losses, gradients, faces, count, ridge);
    };
    for (int block = 0; block < blocks; ++block)
        for (int warp = 0; warp < WARPS; ++warp) {
            std::memset(staging, 0xff, sizeof staging);  // NaN: what was not fetched shows
            warp::run(block, blocks, warp);
        }
}
