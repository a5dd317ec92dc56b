// Maps and weights in the layouts that the products read.
#pragma once

#include "depthwise.h"
#include "norms.h"
#include "products.h"

// Rows of `channels` values each become panels; the pixels that fill up the last panel are zero.
INLINE void pack_panels(const Real* rows, Index channels, Index pixels, Index padded, Real* panels) {
    for (Index q = 0; q < padded; q += PANEL, panels += channels * PANEL) {
        Index live = std::clamp<Index>(pixels - q, 0, PANEL);
        if (live < PANEL) memset(panels, 0, channels * PANEL * sizeof(Real));
        for (Index p = 0; p < live; p++)
            for (Index c = 0; c < channels; c++) panels[c * PANEL + p] = rows[(q + p) * channels + c];
    }
}

// Where the pixel of x lies, among all of a stack, that output q of the stack is centred on.
INLINE Index centre(const Shape& s, Index q) {
    Index size = s.out_height * s.out_width, y = q % size / s.out_width, x = q % s.out_width;
    return (q / size * s.height + y * s.stride) * s.width + x * s.stride;
}

// Panels of the pixels of a stack of x at which outputs lie.
INLINE void pack_centres(const Shape& s, const Real* x, Index outputs, Real* panels) {
    memset(panels, 0, s.pixels_out * s.in * sizeof(Real));
    for (Index q = 0; q < outputs; q++) {
        const Real* row = x + centre(s, q) * s.in;
        Real* panel = panels + q / PANEL * PANEL * s.in + q % PANEL;
        for (Index c = 0; c < s.in; c++) panel[c * PANEL] = row[c];
    }
}

// The expansion with batch norm 1 folded in, and the depthwise kernels, by block.
struct Expansion {
    V *weight, *shift, *depthwise;  // [block][in], [block], [block][TAPS]
    int32_t* places[3];             // by kernel size: where each pixel of a stack lies in its padded planes

    Expansion(const Shape& s, Arena& a) {
        weight = a.take<V>(s.count() * s.in), shift = a.take<V>(s.count()), depthwise = a.take<V>(s.count() * TAPS);
        for (auto& table : places) table = a.take<int32_t>(s.pixels_in);
    }

    void place(const Shape& s) {
        Index size = s.height * s.width;
        for (Index i = 0; i < 3; i++)
            for (Index q = 0, k = 2 * i + 3; q < s.pixels_in; q++) {
                Index y = q % size / s.width + k / 2, x = q % s.width + k / 2;
                bool is_pixel = q < s.stack * size;
                places[i][q] = is_pixel ? q / size * s.plane(k) + y * s.pitch(k) + x : s.planes(k) - 1;
            }
    }

    void pack(const Shape& s, const Tensors& t, const Statistics& found, Index b) {
        const Block& block = s.blocks[b];
        memset(depthwise + b * TAPS, 0, TAPS * BYTES);
        memset(weight + b * s.in, 0, s.in * BYTES);
        shift[b] = V{};
        for (Index l = 0; l < block.live; l++) {
            Index unit = block.first + l;
            V scale;
            affine(scale, shift[b], l, t.gamma1[unit], t.beta1[unit], found.mean1[b * L + l], found.rstd1[b * L + l]);
            double factor = t.gamma1[unit] * found.rstd1[b * L + l];
            for (Index c = 0; c < s.in; c++) weight[b * s.in + c][l] = Real(factor * t.expand[unit * s.in + c]);
            s.each_tap(block, unit, t.depthwise, [&](Index i, const Real* tap) { depthwise[b * TAPS + i][l] = *tap; });
        }
    }

    // h1 = relu(bn1(expand x)) of one block and stack, into planes whose borders are zero.
    void run(const Shape& s, Index b, const Real* panels, V* planes) const {
        const int32_t* at = places[s.blocks[b].kernel];
        for (Index q = 0; q < s.pixels_in; q += PANEL, panels += s.in * PANEL) {
            V acc[PANEL];
            panel_times(panels, s.in, weight + b * s.in, 1, shift[b], acc);
            UNROLL for (int i = 0; i < PANEL; i++) planes[at[q + i]] = relu(acc[i]);
        }
    }
};

// The skip convolution's grouped weight as a dense matrix of padded rows, [in][out_vectors], or transposed,
// [out][in_vectors].
INLINE void spread_skip(const Shape& s, const Real* weight, V* matrix, bool transposed) {
    Real* to = reinterpret_cast<Real*>(matrix);
    Index in = s.in / s.job.groups, out = s.out / s.job.groups, width = (transposed ? s.in_vectors : s.out_vectors) * L;
    memset(to, 0, (transposed ? s.out : s.in) * width * sizeof(Real));
    for (Index o = 0; o < s.out; o++)
        for (Index i = 0; i < in; i++) {
            Index from = o / out * in + i;
            to[transposed ? o * width + from : from * width + o] = weight[o * in + i];
        }
}

// What both passes of a block begin with.
struct Pass {
    const Job& job;
    const Tensors& t;
    const Shape s;
    const Depthwise depthwise;
    Statistics found;
    Arena arena;
    Expansion expansion;
    Real *x_panels, *x_centres;  // the latter of the pixels that a skip convolution reads

    Pass(const Job& job, const Tensors& t)
        : job(job), t(t), s(job), depthwise(s.stride, s.width, s.out_width), found(s, t.stats),
          arena{static_cast<char*>(t.workspace)}, expansion(s, arena) {
        x_panels = arena.take<Real>(s.stacks * s.pixels_in * s.in);
        bool is_apart = job.skip == CONVOLUTION && s.stride > 1;
        x_centres = is_apart ? arena.take<Real>(s.stacks * s.pixels_out * s.in) : x_panels;
    }

    Index workspace() const { return arena.used; }
    Index outputs(Index n) const { return s.live(n) * s.out_height * s.out_width; }  // of a stack

    void take_x(Index n) const {
        const Real* x = t.x + n * s.stack * s.height * s.width * s.in;
        pack_panels(x, s.in, s.live(n) * s.height * s.width, s.pixels_in, x_panels + n * s.pixels_in * s.in);
        if (x_centres != x_panels) pack_centres(s, x, outputs(n), x_centres + n * s.pixels_out * s.in);
    }
};
