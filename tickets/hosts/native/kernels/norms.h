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

// A batch norm's running moments and settings.
struct Norm {
    Real *means, *vars;
    bool is_fixed;
    double momentum, eps;

    Norm(const Job& job, const Tensors& t, Index number)
        : Norm(t.running[2 * number], t.running[2 * number + 1], job.is_fixed, job.momentum[number], job.eps[number]) {}
    Norm(Real* means, Real* vars, bool is_fixed, double momentum, double eps)
        : means(means), vars(vars), is_fixed(is_fixed), momentum(momentum), eps(eps) {}

    // The moments that a channel is normalised with: those of the batch, which also move the running ones, or these
    // where they are fixed.
    Moments settled(Index at, Moments batch, double n) const {
        if (is_fixed) return {means[at], vars[at]};
        means[at] = Real((1 - momentum) * means[at] + momentum * batch.mean);
        vars[at] = Real((1 - momentum) * vars[at] + momentum * batch.var * (n / (n - 1)));
        return batch;
    }
    double reciprocal(double var) const { return 1 / std::sqrt(var + eps); }
};

// A batch norm as y = scale * x + shift, for lane l of a register.
INLINE void affine(V& scale, V& shift, Index l, double gamma, double beta, double mean, double rstd) {
    double factor = gamma * rstd;
    scale[l] = Real(factor), shift[l] = Real(beta - factor * mean);
}
