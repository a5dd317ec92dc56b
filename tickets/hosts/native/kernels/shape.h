// What a call is asked for (the C interface), and how its maps are cut and laid out.
//
// Hidden channels are cut into blocks of one register. A block that holds several kernel sizes runs with the largest,
// the smaller kernels framed by zeros; the last block may have dead lanes, whose weights are zero.
//
// Images are taken in stacks, as many as fill panels of pixels without much waste: the narrow maps of a stack are
// panels, [panel][channel][pixel], its wide maps [block][stack][pixel][lane]. A stack is padded to whole panels.
//
// Threads share out chunks of stacks, whose number does not depend on the threads. Every sum over images is taken
// within a chunk in order, then over the chunks in order. So the same bits come out of any number of threads.
#pragma once

#include <vector>

#include "simd.h"

extern "C" {
enum Skip : Index { NO_SKIP, IDENTITY, CONVOLUTION };

struct Job {
    Index images, height, width, in, out, stride, threads, skip, groups;
    Index is_fixed;  // batch norms use their running statistics, as in evaluation; nothing is left for a backward pass
    Index units[3];  // live hidden units of kernel sizes 3, 5 and 7
    double eps[3], momentum[3];
};

// All of one type but `stats`, which is double. Gradients are written, not added to.
struct Tensors {
    const Real *x, *expand, *gamma1, *beta1, *depthwise[3], *gamma2, *beta2, *project, *gamma3, *beta3, *skip;
    Real* running[6];  // mean and variance of the three batch norms
    Real *out, *z, *o;
    void* workspace;
    double* stats;
    const Real* dout;
    Real *dx, *dexpand, *dgamma1, *dbeta1, *ddepthwise[3], *dgamma2, *dbeta2, *dproject, *dgamma3, *dbeta3, *dskip;
};
}

// Hands out pieces of one allocation, or only counts them where the base is null.
struct Arena {
    char* base;
    Index used = 0;
    template <class T> T* take(Index count) {
        T* at = base ? reinterpret_cast<T*>(base + used) : nullptr;
        used += up(count * sizeof(T), 128);
        return at;
    }
};

constexpr Index TAPS = 7 * 7;

struct Block {
    Index k, kernel, first, live;  // largest kernel size, its number 0..2, first hidden unit, live lanes
};

struct Shape {
    static constexpr Index CHUNKS = 8, CHUNK_PIXELS = 96, GROUP_BYTES = 1 << 19, WASTE = 16;

    const Job& job;
    Index images, height, width, in, out, stride, out_height, out_width;
    Index in_vectors, out_vectors;  // registers that hold a pixel of the narrow maps
    Index stack, stacks, chunks;    // images a stack; stacks; chunks of them
    Index pixels_in, pixels_out;    // of a stack, padded
    Index hidden = 0, starts[4] = {};
    std::vector<Block> blocks;

    explicit Shape(const Job& j)
        : job(j), images(j.images), height(j.height), width(j.width), in(j.in), out(j.out), stride(j.stride),
          out_height((height - 1) / stride + 1), out_width((width - 1) / stride + 1), in_vectors(up(in, L) / L),
          out_vectors(up(out, L) / L) {
        chunks = std::clamp<Index>(images * height * width / CHUNK_PIXELS, 1, std::min(CHUNKS, images));
        stack = images_a_stack(up(images, chunks) / chunks);
        stacks = up(images, stack) / stack, chunks = std::min(chunks, stacks);
        pixels_in = up(stack * height * width, PANEL), pixels_out = up(stack * out_height * out_width, PANEL);
        for (Index i = 0; i < 3; i++) starts[i + 1] = hidden += j.units[i];
        for (Index first = 0; first < hidden; first += L) {
            Index live = std::min(L, hidden - first), kernel = kernel_of(first + live - 1);
            blocks.push_back({2 * kernel + 3, kernel, first, live});
        }
    }

    Index count() const { return blocks.size(); }
    Index begin(Index chunk) const { return stacks * chunk / chunks; }
    Index live(Index s) const { return std::min(stack, images - s * stack); }  // images of stack s
    Index kernel_of(Index unit) const { return (unit >= starts[1]) + (unit >= starts[2]); }
    Index pitch(Index k) const { return width + k - 1; }
    Index out_pitch(Index k) const { return out_width + k - 1; }
    // One image as a padded plane; and the planes of a stack, with one vector that padding pixels are written to.
    Index plane(Index k) const { return (height + k - 1) * pitch(k); }
    Index out_plane(Index k) const { return (out_height + k - 1) * out_pitch(k); }
    Index planes(Index k) const { return stack * plane(k) + 1; }
    // Blocks that a pass over all images takes at once, so that what it leaves stays in the cache.
    Index group() const { return std::clamp<Index>(GROUP_BYTES / (stacks * pixels_out * BYTES), 1, count()); }

    // Calls f(index in the block's kernel, weight's address) for each weight of a hidden unit's own kernel.
    template <class W, class F> void each_tap(const Block& block, Index unit, W* const* weights, F f) const {
        Index own = kernel_of(unit), k = 2 * own + 3, frame = block.kernel - own;
        W* at = weights[own] + (unit - starts[own]) * k * k;
        for (Index y = 0; y < k; y++)
            for (Index x = 0; x < k; x++) f((y + frame) * block.k + x + frame, at + y * k + x);
    }

private:
    // The fewest images whose padding to whole panels is at most a WASTE-th of them, else those of the least waste.
    Index images_a_stack(Index most) const {
        Index best = 1, size = height * width + out_height * out_width;
        double least = INFINITY;
        for (Index n = 1; n <= most; n++) {
            Index padding = up(n * height * width, PANEL) + up(n * out_height * out_width, PANEL) - n * size;
            double waste = double(padding) / (n * size);
            if (waste < least) least = waste, best = n;
            if (waste <= 1.0 / WASTE) break;
        }
        return best;
    }
};
