// Matrix products over panels: every operand is a register, or a broadcast at a constant offset from one pointer.
#pragma once

#include <utility>

#include "simd.h"

constexpr int COLUMNS = REGISTERS * 3 / 4;  // accumulators of an outer product; the rest holds its operands

// acc[p] = start + sum_k panel[k][p] * w[k * step]: a panel of pixels times a matrix whose columns are lanes.
template <class T, class Vector>
INLINE void panel_times(const T* panel, Index rows, const Vector* w, Index step, Vector start, Vector* acc) {
    UNROLL for (int p = 0; p < PANEL; p++) acc[p] = start;
    for (Index k = 0; k < rows; k++) {
        Vector column = w[k * step];
        UNROLL for (int p = 0; p < PANEL; p++) acc[p] += panel[k * PANEL + p] * column;
    }
}

// out[c] += sum_p v[p] * b(p, c) for C columns c, where b(p, c) lies at panels[c][p] of each of n panels.
template <int C> void outer_panels(const Real* panels, Index width, const V* v, Index n, V* out) {
    V acc[C];
    UNROLL for (int c = 0; c < C; c++) acc[c] = out[c];
    for (Index q = 0; q < n; q++, panels += width * PANEL, v += PANEL)
        for (Index p = 0; p < PANEL; p++) {
            V lanes = v[p];
            UNROLL for (int c = 0; c < C; c++) acc[c] += panels[c * PANEL + p] * lanes;
        }
    UNROLL for (int c = 0; c < C; c++) out[c] = acc[c];
}

// The same where b(p, c) lies at rows[p * width + c], v steps by `step` and out by `out_step`.
template <class T, int C>
void outer_rows(const T* rows, Index width, const typename Lanes<T>::Vector* v, Index step, Index n,
                typename Lanes<T>::Vector* out, Index out_step) {
    typename Lanes<T>::Vector acc[C];
    UNROLL for (int c = 0; c < C; c++) acc[c] = out[c * out_step];
    for (Index p = 0; p < n; p++) {
        typename Lanes<T>::Vector lanes = v[p * step];
        UNROLL for (int c = 0; c < C; c++) acc[c] += rows[p * width + c] * lanes;
    }
    UNROLL for (int c = 0; c < C; c++) out[c * out_step] = acc[c];
}

// Calls f(first column, columns) for columns in parts of nearly one size, each of at most COLUMNS.
template <class F> INLINE void in_parts(Index columns, F f) {
    Index parts = up(columns, COLUMNS) / COLUMNS;
    for (Index i = 0; i < parts; i++) {
        Index from = columns * i / parts;
        f(from, columns * (i + 1) / parts - from);
    }
}

template <int... C> struct Outer {
    template <class T> using Vector = typename Lanes<T>::Vector;
    using Panels = void (*)(const Real*, Index, const V*, Index, V*);
    template <class T> using Rows = void (*)(const T*, Index, const Vector<T>*, Index, Index, Vector<T>*, Index);
    static constexpr Panels panels[] = {outer_panels<C + 1>...};
    template <class T> static constexpr Rows<T> rows[] = {outer_rows<T, C + 1>...};
};
template <int... C> Outer<C...> outers_of(std::integer_sequence<int, C...>);
using Outers = decltype(outers_of(std::make_integer_sequence<int, COLUMNS>()));

// out[c] += sum over pixels of v[p] * panels[c][p], for all `width` channels of the panels.
INLINE void outer(const Real* panels, Index width, const V* v, Index pixels, V* out) {
    in_parts(width, [&](Index c, Index n) {
        Outers::panels[n - 1](panels + c * PANEL, width, v, pixels / PANEL, out + c);
    });
}

// out[p][0..C) += sum_l a[p][l] * w[l][0..C), for R pixels and C vectors of narrow channels; `width` vectors a row.
template <int R, int C> INLINE void collect_tile(const V* a, const V* w, Index width, V* out) {
    const Real* scalar = reinterpret_cast<const Real*>(a);
    V acc[R][C];
    UNROLL for (int p = 0; p < R; p++) UNROLL for (int c = 0; c < C; c++) acc[p][c] = out[p * width + c];
    for (int l = 0; l < L; l++) {
        V row[C];
        UNROLL for (int c = 0; c < C; c++) row[c] = w[l * width + c];
        UNROLL for (int p = 0; p < R; p++) UNROLL for (int c = 0; c < C; c++) acc[p][c] += scalar[p * L + l] * row[c];
    }
    UNROLL for (int p = 0; p < R; p++) UNROLL for (int c = 0; c < C; c++) out[p * width + c] = acc[p][c];
}

template <int R, int C> void collect_columns(const V* a, Index pixels, const V* w, Index width, V* out) {
    for (Index p = 0; p < pixels; p += R) collect_tile<R, C>(a + p, w, width, out + p * width);
}

// The lanes of a block back into all narrow channels; `pixels` is a multiple of PANEL.
INLINE void collect(const V* a, Index pixels, const V* w, Index width, V* out) {
    constexpr int R = REGISTERS == 32 ? 8 : 4;
    Index c = 0;
    for (; width - c > 4 || width - c == 3; c += 3) collect_columns<R, 3>(a, pixels, w + c, width, out + c);
    for (; width - c >= 2; c += 2) collect_columns<R, 2>(a, pixels, w + c, width, out + c);
    if (width > c) collect_columns<PANEL, 1>(a, pixels, w + c, width, out + c);
}
