// A SIMD register and the smallest things done with it. Its width follows from the instruction set that is compiled
// for; plain vector types of GCC and Clang, so that one source serves all of them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#ifdef _OPENMP
#include <omp.h>
#else
static int omp_get_thread_num() { return 0; }
#endif
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#define INLINE inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

using Index = int64_t;

#if defined(__AVX512F__)
constexpr int BYTES = 64, REGISTERS = 32;
#elif defined(__AVX__)
constexpr int BYTES = 32, REGISTERS = 16;
#elif defined(__aarch64__)
constexpr int BYTES = 16, REGISTERS = 32;
#else
constexpr int BYTES = 16, REGISTERS = 16;
#endif

#ifndef REAL
#define REAL float
#endif
using Real = REAL;

template <class T> struct Lanes {
    typedef T Vector __attribute__((vector_size(BYTES)));
    static constexpr Index count = BYTES / sizeof(T);
};
using V = Lanes<Real>::Vector;
constexpr Index L = Lanes<Real>::count;

// Pixels that a product holds in registers at once; a panel of them is laid out [channel][pixel].
constexpr int PANEL = REGISTERS == 32 ? 16 : 8;

INLINE Index up(Index n, Index to) { return (n + to - 1) / to * to; }

INLINE V relu(V y) { return V{} > y ? V{} : y; }  // keeps NaN

// Rows of narrow maps have any width. A vector of a row may reach into the next rows, but not beyond `end`: what is
// read there belongs to lanes that nobody uses, and what is written there is written again, since rows go upwards.
INLINE V load(const Real* at, const Real* end) {
    V v = {};
    if (end - at >= L) memcpy(&v, at, BYTES);
    else memcpy(&v, at, (end - at) * sizeof(Real));
    return v;
}

INLINE void store(Real* at, const Real* end, V v) {
    if (end - at >= L) memcpy(at, &v, BYTES);
    else memcpy(at, &v, (end - at) * sizeof(Real));
}

// How the caller's thread treats denormal numbers, to be taken over by the threads that help it: a flag that only the
// caller has set would make the last bits depend on the number of threads.
struct Rounding {
#if defined(__SSE__)
    unsigned state = _mm_getcsr();
    void take_over() const { _mm_setcsr(state); }
#elif defined(__aarch64__)
    uint64_t state;
    Rounding() { asm volatile("mrs %0, fpcr" : "=r"(state)); }
    void take_over() const { asm volatile("msr fpcr, %0" : : "r"(state)); }
#else
    void take_over() const {}
#endif
};
