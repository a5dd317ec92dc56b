// Batch norms: what the forward pass finds of them and leaves for the backward pass.
#pragma once

#include "shape.h"

// Means and reciprocal standard deviations in double, by padded hidden channel (1 and 2) or by channel (3).
struct Statistics {
    double *mean1, *rstd1, *mean2, *rstd2, *mean3, *rstd3, *mean_x;
    Real* wcov;  // W Cov of the expansion, [hidden][in]
    Index doubles;

    Statistics(const Shape& s, double* base) {
        Arena a{reinterpret_cast<char*>(base)};
        Index lanes = s.count() * L;
        mean1 = a.take<double>(lanes), rstd1 = a.take<double>(lanes);
        mean2 = a.take<double>(lanes), rstd2 = a.take<double>(lanes);
        mean3 = a.take<double>(s.out), rstd3 = a.take<double>(s.out);
        mean_x = a.take<double>(s.in), wcov = a.take<Real>(s.hidden * s.in);
        doubles = a.used / sizeof(double);
    }
};

struct Moments {
    double mean, var;
};

INLINE double not_negative(double var) { return var > 0 || var != var ? var : 0; }  // keeps NaN

INLINE Moments moments(double sum, double squares, double n) {
    double mean = sum / n;
    return {mean, not_negative(squares / n - mean * mean)};
}

// The moments that batch norm number `norm` normalises channel `at` with: those of the batch, which also move its running
// ones, or these where they are fixed.
INLINE Moments settled(const Job& job, const Tensors& t, Index norm, Index at, Moments batch, double n) {
    Real &mean = t.running[2 * norm][at], &var = t.running[2 * norm + 1][at];
    if (job.is_fixed) return {mean, var};
    double momentum = job.momentum[norm];
    mean = Real((1 - momentum) * mean + momentum * batch.mean);
    var = Real((1 - momentum) * var + momentum * batch.var * (n / (n - 1)));
    return batch;
}

INLINE double reciprocal(const Job& job, Index norm, double var) { return 1 / std::sqrt(var + job.eps[norm]); }

// A batch norm as y = scale * x + shift, for lane l of a register.
INLINE void affine(V& scale, V& shift, Index l, double gamma, double beta, double mean, double rstd) {
    double factor = gamma * rstd;
    scale[l] = Real(factor), shift[l] = Real(beta - factor * mean);
}
