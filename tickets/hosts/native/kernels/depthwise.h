// Depthwise convolutions of one block of channels and one image, a row at a time, over planes padded with zeros.
#pragma once

#include "simd.h"

// One row of a convolution of stride S, X outputs at a time; the last part may overlap the one before.
template <int K, int S, int X> void convolve_row(const V* in, Index pitch, const V* w, V* out, Index width) {
    for (Index x = 0; x < width; x += X) {
        Index at = std::min<Index>(x, width - X);
        V acc[X] = {};
        for (int ky = 0; ky < K; ky++) {
            const V* row = in + ky * pitch + at * S;
            UNROLL for (int kx = 0; kx < K; kx++) {
                V tap = w[ky * K + kx];
                UNROLL for (int i = 0; i < X; i++) acc[i] += row[i * S + kx] * tap;
            }
        }
        UNROLL for (int i = 0; i < X; i++) out[at + i] = acc[i];
    }
}

// One row y of the input gradient of a convolution of stride 2, its columns of parity E; `d` is padded by K / 2.
template <int K, int E, int X>
void spread_row(const V* d, Index pitch, const V* w, V* out, Index width, Index y) {
    constexpr int R = K / 2;
    Index columns = (width - E + 1) / 2;
    for (Index x = 0; x < columns; x += X) {
        Index at = std::min<Index>(x, columns - X);
        V acc[X] = {};
        for (Index ky = (y + R) % 2; ky < K; ky += 2) {
            const V* row = d + ((y + R - ky) / 2 + R) * pitch + R + at;
            UNROLL for (int kx = (E + R) % 2; kx < K; kx += 2) {
                V tap = w[ky * K + kx];
                UNROLL for (int i = 0; i < X; i++) acc[i] += row[i + (E + R - kx) / 2] * tap;
            }
        }
        UNROLL for (int i = 0; i < X; i++) out[2 * (at + i) + E] = acc[i];
    }
}

// dw[ky][kx] += sum over the map of d * h for the kernel's rows [top, top + R).
template <int K, int S, int R>
INLINE void taps_rows(const V* h, Index pitch, const V* d, Index d_pitch, Index height, Index width, int top, V* dw) {
    V acc[R][K];
    UNROLL for (int r = 0; r < R; r++) UNROLL for (int kx = 0; kx < K; kx++) acc[r][kx] = dw[(top + r) * K + kx];
    for (Index y = 0; y < height; y++) {
        const V* row = h + (y * S + top) * pitch;
        for (Index x = 0; x < width; x++, row += S) {
            V g = d[y * d_pitch + x];
            UNROLL for (int r = 0; r < R; r++) UNROLL for (int kx = 0; kx < K; kx++)
                acc[r][kx] += g * row[r * pitch + kx];
        }
    }
    UNROLL for (int r = 0; r < R; r++) UNROLL for (int kx = 0; kx < K; kx++) dw[(top + r) * K + kx] = acc[r][kx];
}

// The kernel's gradient, as many of its rows at a time as the registers hold.
template <int K, int S>
void taps(const V* h, Index pitch, const V* d, Index d_pitch, Index height, Index width, V* dw) {
    constexpr int R = std::min(K, (REGISTERS - 2) / K), REST = K % R;
    int top = 0;
    for (; top + R <= K; top += R) taps_rows<K, S, R>(h, pitch, d, d_pitch, height, width, top, dw);
    if constexpr (REST > 0) taps_rows<K, S, REST>(h, pitch, d, d_pitch, height, width, top, dw);
}

// How many outputs at a time suit a row: the least work, where short parts do not fill the pipeline.
static Index part_of(Index width) {
    constexpr Index MOST = REGISTERS / 2;
    Index best = 1, least = INT64_MAX;
    for (Index x : {16, 14, 8, 7, 4, 2, 1}) {
        if (x > width || x > MOST) continue;
        Index cost = up(width, x) / x * (std::max<Index>(x, 8) + 1);
        if (cost < least) least = cost, best = x;
    }
    return best;
}

using ConvolveRow = void (*)(const V*, Index, const V*, V*, Index);
using SpreadRow = void (*)(const V*, Index, const V*, V*, Index, Index);
using Taps = void (*)(const V*, Index, const V*, Index, Index, Index, V*);

template <int K, int S> ConvolveRow convolver_of(Index part) {
    switch (part) {
        case 16: return convolve_row<K, S, 16>;
        case 14: return convolve_row<K, S, 14>;
        case 8: return convolve_row<K, S, 8>;
        case 7: return convolve_row<K, S, 7>;
        case 4: return convolve_row<K, S, 4>;
        case 2: return convolve_row<K, S, 2>;
        default: return convolve_row<K, S, 1>;
    }
}

template <int K, int E> SpreadRow spreader_of(Index part) {
    switch (part) {
        case 16: return spread_row<K, E, 16>;
        case 14: return spread_row<K, E, 14>;
        case 8: return spread_row<K, E, 8>;
        case 7: return spread_row<K, E, 7>;
        case 4: return spread_row<K, E, 4>;
        case 2: return spread_row<K, E, 2>;
        default: return spread_row<K, E, 1>;
    }
}

// The functions for one geometry, by number of the kernel size.
struct Depthwise {
    ConvolveRow convolve[3];     // forward
    ConvolveRow transpose[3];    // input gradient of stride 1, with the kernel flipped
    SpreadRow spread[3][2];      // input gradient of stride 2, even and odd columns
    Taps taps_of[3];             // kernel gradient

    Depthwise(Index stride, Index width, Index out_width) {
        set<0>(stride, width, out_width), set<1>(stride, width, out_width), set<2>(stride, width, out_width);
    }

private:
    template <int I> void set(Index stride, Index width, Index out_width) {
        constexpr int K = 2 * I + 3;
        Index part = part_of(out_width);
        convolve[I] = stride == 1 ? convolver_of<K, 1>(part) : convolver_of<K, 2>(part);
        transpose[I] = convolver_of<K, 1>(part_of(width));
        spread[I][0] = spreader_of<K, 0>(part_of((width + 1) / 2));
        spread[I][1] = spreader_of<K, 1>(part_of(width / 2));
        taps_of[I] = stride == 1 ? taps<K, 1> : taps<K, 2>;
    }
};
