// Just enough of CUDA to run a .cu file as it stands on a CPU, one block at a time.
//
// The threads of a block are fibers that take turns: each runs up to its next shuffle or barrier, then the next one
// does. So what a thread reads of others is there only where the kernel waits for it; an asynchronous copy, too, lands
// no sooner than its own thread waits for it. Lanes of a warp that wait at different places end the process.

#pragma once
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <utility>
#include <vector>

#define __global__
#define __device__ static
#define __launch_bounds__(threads)

using std::isfinite;
using std::max;
using std::min;

struct int2 { int x, y; };
struct float2 { float x, y; };
struct float3 { float x, y, z; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(4) uchar4 { unsigned char x, y, z, w; };
static float2 make_float2(float x, float y) { return {x, y}; }
static float3 make_float3(float x, float y, float z) { return {x, y, z}; }
static float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static uchar4 make_uchar4(int x, int y, int z, int w)
{
    return {(unsigned char)x, (unsigned char)y, (unsigned char)z, (unsigned char)w};
}
static float __int_as_float(int bits) { float value; std::memcpy(&value, &bits, 4); return value; }

struct Index { int x, y, z; };
static Index threadIdx, blockIdx, blockDim, gridDim;

namespace block {

struct Copy { void* to; const void* from; size_t bytes; };
struct Thread {
    ucontext_t context;
    std::vector<char> stack = std::vector<char>(1 << 16);
    int number, step, place;
    bool done, at_barrier;
    std::deque<std::vector<Copy>> groups;  // of asynchronous copies, the open one last
};
static std::vector<Thread> threads;
static Thread* running;
static ucontext_t scheduler;
static std::vector<float> posted[2];
static std::function<void()> kernel;  // with its arguments

// Lets every other lane of the warp come as far as this one; at a barrier every other thread of the block.
static void meet(int place, bool barrier = false)
{
    running->place = place;
    running->at_barrier = barrier;
    ++running->step;
    Thread* const mine = running;
    swapcontext(&mine->context, &scheduler);
}

static float exchange(float value, int lane, int place)
{
    std::vector<float>& slots = posted[running->step % 2];
    slots[running->number] = value;
    meet(place);
    return slots[running->number / 32 * 32 + lane];
}

// Each lane of a warp up to where it waits next; whether it is at a barrier.
static bool advance(int first, int last)
{
    for (int i = first; i < last; ++i) {
        running = &threads[i];
        if (running->done)
            continue;
        threadIdx = {running->number, 0, 0};
        swapcontext(&scheduler, &running->context);
    }
    const Thread& leader = threads[first];
    for (int i = first; i < last; ++i) {
        const Thread& lane = threads[i];
        if (lane.done != leader.done || (!lane.done && lane.place != leader.place)) {
            std::fprintf(stderr, "lane %d waits at %d, lane 0 at %d\n", i - first, lane.place, leader.place);
            std::abort();
        }
    }
    return !leader.done && leader.at_barrier;
}

static void run(int count)
{
    if (threads.size() < static_cast<size_t>(count))
        threads = std::vector<Thread>(count);
    for (auto& slots : posted)
        slots.resize(count);
    for (int i = 0; i < count; ++i) {
        Thread& thread = threads[i];
        thread.number = i;
        thread.step = 0;
        thread.done = false;
        thread.groups.assign(1, {});
        getcontext(&thread.context);
        thread.context.uc_stack = {thread.stack.data(), 0, thread.stack.size()};
        thread.context.uc_link = &scheduler;
        makecontext(&thread.context, static_cast<void (*)()>([] { kernel(); running->done = true; }), 0);
    }
    std::vector<bool> waits((count + 31) / 32);
    for (bool live = true; live;) {
        bool moved = false;
        live = false;
        for (size_t warp = 0; warp < waits.size(); ++warp) {
            if (threads[32 * warp].done)
                continue;
            live = true;
            if (waits[warp])
                continue;
            waits[warp] = advance(32 * warp, min<int>(count, 32 * warp + 32));
            moved = true;
        }
        if (!moved)
            std::fill(waits.begin(), waits.end(), false);  // all are at the barrier
    }
}

template <class... Types, size_t... Places>
static void call(void (*function)(Types...), void** arguments, std::index_sequence<Places...>)
{
    function(*static_cast<Types*>(arguments[Places])...);
}

// As cuLaunchKernel: `arguments` are pointers to the values.
template <class... Types>
static void launch(
    void (*function)(Types...), int across, int down, int count, void** arguments, void* shared, size_t bytes)
{
    kernel = [=] { call(function, arguments, std::index_sequence_for<Types...>()); };
    gridDim = {across, down, 1};
    blockDim = {count, 1, 1};
    for (int y = 0; y < down; ++y)
        for (int x = 0; x < across; ++x) {
            blockIdx = {x, y, 0};
            std::memset(shared, 0xff, bytes);  // NaN: what was not written shows
            run(count);
        }
}

}  // namespace block

#define __shfl_xor_sync(mask, value, other) block::exchange(value, (threadIdx.x % 32) ^ (other), __LINE__)
#define __shfl_sync(mask, value, from) block::exchange(value, from, __LINE__)
#define __syncwarp() block::meet(__LINE__)
#define __syncthreads() block::meet(__LINE__, true)
static int atomicAdd(int* at, int value) { *at += value; return *at - value; }

static void __pipeline_memcpy_async(void* to, const void* from, size_t bytes)
{
    if (reinterpret_cast<uintptr_t>(to) % bytes || reinterpret_cast<uintptr_t>(from) % bytes) {
        std::fprintf(stderr, "an asynchronous copy of %zu bytes is not aligned\n", bytes);
        std::abort();
    }
    block::running->groups.back().push_back({to, from, bytes});
}
static void __pipeline_commit() { block::running->groups.emplace_back(); }
static void __pipeline_wait_prior(size_t open)
{
    auto& groups = block::running->groups;
    for (; groups.size() > open + 1; groups.pop_front())
        for (const auto& copy : groups.front())
            std::memcpy(copy.to, copy.from, copy.bytes);
}
