// A layer of a stem: convolution 3x3 of stride 2 - BN - ReLU, forward and backward, for maps in channels_last.
//
// Images are copied into planes padded by one pixel, so that the 3 * in values that one row of the kernel reads of an
// output stand side by side. Convolved values are kept, one register of output channels after the other. Chunks as in
// shape.h.
#pragma once

#include "norms.h"
#include "products.h"

extern "C" {
struct StemJob {
    Index images, height, width, in, out, threads, is_fixed, wants_dx;
    double eps, momentum;
};

struct StemTensors {
    const Real *x, *weight, *gamma, *beta;
    Real* running[2];
    Real *out, *y;
    void* workspace;
    double* stats;
    const Real* dout;
    Real *dx, *dweight, *dgamma, *dbeta;
};
}

// acc[p] += sum_j row[p * step + j] * w[j * w_step]: P outputs of a dense convolution, for values that stand side by
// side.
template <int P>
INLINE void accumulate(const Real* row, Index step, Index count, const V* w, Index w_step, V* acc) {
    for (Index j = 0; j < count; j++) {
        V column = w[j * w_step];
        UNROLL for (int p = 0; p < P; p++) acc[p] += row[p * step + j] * column;
    }
}

class StemShape {
public:
    const StemJob& job;
    Index out_height, out_width, pixels, pitch, plane, d_pitch, d_plane, in_vectors, out_vectors, run, chunks;

    explicit StemShape(const StemJob& j)
        : job(j), out_height((j.height - 1) / 2 + 1), out_width((j.width - 1) / 2 + 1), pixels(out_height * out_width),
          pitch((j.width + 3) * j.in), plane((j.height + 3) * pitch), in_vectors(up(j.in, L) / L),
          out_vectors(up(j.out, L) / L), run(3 * j.in), chunks(std::min<Index>(8, j.images)) {
        d_pitch = (out_width + 2) * out_vectors * L, d_plane = (out_height + 2) * d_pitch;
    }
    Index begin(Index chunk) const { return job.images * chunk / chunks; }
    double count() const { return double(job.images) * pixels; }
};

class Stem {
    const StemJob& job;
    const StemTensors& t;
    const StemShape s;
    Arena arena;
    double *mean, *rstd, *sums;        // the former two in stats; [chunk][2][out_vectors * L]
    V *weight, *transposed;            // [ky][3 * in][out_vectors]; [ky][kx][out][in_vectors]
    V *scale, *shift, *means, *c0, *c1;  // by vector of channels
    V *parts, *scratch;                // [chunk][ky][3 * in][out_vectors]
    Index plane_size, d_plane_size, scratch_size;

public:
    Stem(const StemJob& job, const StemTensors& t) : job(job), t(t), s(job), arena{static_cast<char*>(t.workspace)} {
        mean = t.stats, rstd = t.stats + job.out;
        sums = arena.take<double>(s.chunks * 2 * s.out_vectors * L);
        weight = arena.take<V>(3 * s.run * s.out_vectors), transposed = arena.take<V>(9 * job.out * s.in_vectors);
        for (V** by_vector : {&scale, &shift, &means, &c0, &c1}) *by_vector = arena.take<V>(s.out_vectors);
        parts = arena.take<V>(s.chunks * 3 * s.run * s.out_vectors);
        plane_size = up(s.plane, L) / L, d_plane_size = s.d_plane / L;
        scratch_size = plane_size + d_plane_size + (job.width + 1) * s.in_vectors;
        scratch = arena.take<V>(job.threads * scratch_size);
    }

    Index workspace() const { return arena.used; }
    Index size_of_y() const { return job.images * s.pixels * s.out_vectors * L; }

    void forward() {
        Rounding rounding;
        pack();
#pragma omp parallel num_threads(job.threads)
        {
            rounding.take_over();
            memset(mine(), 0, scratch_size * BYTES);
            sum([&](Index n, double* to) { convolve(n), add_up(n, to); });
#pragma omp single
            norm();
#pragma omp for schedule(static)
            for (Index n = 0; n < job.images; n++) give_out(n);
        }
    }

    void backward() {
        Rounding rounding;
        pack();
        for (Index c = 0; c < job.out; c++) set_affine(c, mean[c], rstd[c]);
#pragma omp parallel num_threads(job.threads)
        {
            rounding.take_over();
            memset(mine(), 0, scratch_size * BYTES);
            sum([&](Index n, double* to) { add_products(n, to); });
#pragma omp single
            norm_gradient();
#pragma omp for schedule(static)
            for (Index c = 0; c < s.chunks; c++) {
                memset(parts_of(c), 0, 3 * s.run * s.out_vectors * BYTES);
                for (Index n = s.begin(c); n < s.begin(c + 1); n++) through(n, parts_of(c));
            }
        }
        weight_gradient();
    }

private:
    // Calls f(image, the sums of its chunk) for all images.
    template <class F> void sum(F f) {
#pragma omp for schedule(static)
        for (Index c = 0; c < s.chunks; c++) {
            memset(sums_of(c), 0, 2 * s.out_vectors * L * sizeof(double));
            for (Index n = s.begin(c); n < s.begin(c + 1); n++) f(n, sums_of(c));
        }
    }

    V* mine() const { return scratch + omp_get_thread_num() * scratch_size; }
    Real* padded() const { return reinterpret_cast<Real*>(mine()); }
    V* d_padded() const { return mine() + plane_size; }
    V* row_of_dx() const { return d_padded() + d_plane_size; }
    double* sums_of(Index chunk) const { return sums + chunk * 2 * s.out_vectors * L; }
    V* parts_of(Index chunk) const { return parts + chunk * 3 * s.run * s.out_vectors; }
    V* y_of(Index n) const { return reinterpret_cast<V*>(t.y) + n * s.pixels * s.out_vectors; }
    Index at(Index o, Index i, Index ky, Index kx) const { return ((o * job.in + i) * 3 + ky) * 3 + kx; }

    void pack() {
        memset(weight, 0, 3 * s.run * s.out_vectors * BYTES);
        memset(transposed, 0, 9 * job.out * s.in_vectors * BYTES);
        for (V* by_vector : {scale, shift, means, c0, c1}) memset(by_vector, 0, s.out_vectors * BYTES);
        for (Index o = 0; o < job.out; o++)
            for (Index i = 0; i < job.in; i++)
                for (Index k = 0; k < 9; k++) {
                    Real value = t.weight[at(o, i, k / 3, k % 3)];
                    weight[(k * job.in + i) * s.out_vectors + o / L][o % L] = value;
                    transposed[(k * job.out + o) * s.in_vectors + i / L][i % L] = value;
                }
    }

    void set_affine(Index c, double m, double r) {
        affine(scale[c / L], shift[c / L], c % L, t.gamma[c], t.beta[c], m, r);
        means[c / L][c % L] = Real(m);
    }

    void pad(Index n) {
        const Real* x = t.x + n * job.height * job.width * job.in;
        Index row = job.width * job.in;
        for (Index y = 0; y < job.height; y++)
            memcpy(padded() + (y + 1) * s.pitch + job.in, x + y * row, row * sizeof(Real));
    }

    void convolve(Index n) {
        pad(n);
        V* y = y_of(n);
        for (Index oy = 0; oy < s.out_height; oy++, y += s.out_width * s.out_vectors)
            for (Index c = 0; c < s.out_vectors; c++) {
                const Real* rows = padded() + 2 * oy * s.pitch;
                in_tiles(s.out_width, [&](auto tile, Index x) {
                    constexpr int P = decltype(tile)::value;
                    V acc[P] = {};
                    for (Index ky = 0; ky < 3; ky++) {
                        const V* w = weight + ky * s.run * s.out_vectors + c;
                        accumulate<P>(rows + ky * s.pitch + 2 * x * job.in, 2 * job.in, s.run, w, s.out_vectors, acc);
                    }
                    UNROLL for (int p = 0; p < P; p++) y[(x + p) * s.out_vectors + c] = acc[p];
                });
            }
    }

    // Calls f(a constant P, first of P neighbours) for tiles of a row, the last of which may overlap the one before.
    template <class F> INLINE static void in_tiles(Index width, F f) {
        if (width >= 8)
            for (Index x = 0; x < width; x += 8) f(std::integral_constant<int, 8>(), std::min<Index>(x, width - 8));
        else if (width >= 4)
            for (Index x = 0; x < width; x += 4) f(std::integral_constant<int, 4>(), std::min<Index>(x, width - 4));
        else
            for (Index x = 0; x < width; x++) f(std::integral_constant<int, 1>(), x);
    }

    void add_up(Index n, double* sum) {
        if (job.is_fixed) return;
        const V* y = y_of(n);
        for (Index oy = 0; oy < s.out_height; oy++, y += s.out_width * s.out_vectors)
            for (Index c = 0; c < s.out_vectors; c++) {
                V total = {}, squares = {};
                for (Index x = 0; x < s.out_width; x++) {
                    V value = y[x * s.out_vectors + c];
                    total += value, squares += value * value;
                }
                put(sum, c, total, squares);
            }
    }

    void put(double* sum, Index c, V first, V second) const {
        for (Index l = 0; l < L; l++) sum[c * L + l] += first[l], sum[(s.out_vectors + c) * L + l] += second[l];
    }

    // A channel's two sums over all chunks.
    void total(Index c, double& first, double& second) const {
        first = second = 0;
        for (Index chunk = 0; chunk < s.chunks; chunk++)
            first += sums_of(chunk)[c], second += sums_of(chunk)[s.out_vectors * L + c];
    }

    void norm() {
        const Norm norm(t.running[0], t.running[1], job.is_fixed, job.momentum, job.eps);
        for (Index c = 0; c < job.out; c++) {
            double sum, squares;
            total(c, sum, squares);
            Moments m = norm.settled(c, moments(sum, squares, s.count()), s.count());
            mean[c] = m.mean, rstd[c] = norm.reciprocal(m.var);
            set_affine(c, mean[c], rstd[c]);
        }
    }

    void give_out(Index n) {
        const V* y = y_of(n);
        Real *out = t.out + n * s.pixels * job.out, *end = out + s.pixels * job.out;
        for (Index q = 0; q < s.pixels; q++, out += job.out)
            for (Index c = 0; c < s.out_vectors; c++, y++) store(out + c * L, end, relu(*y * scale[c] + shift[c]));
    }

    // The gradient before the ReLU, of one vector of channels of one pixel.
    INLINE V gradient(const Real* dout, const Real* end, V y, Index c) const {
        V d = load(dout + c * L, end);
        return y * scale[c] + shift[c] > V{} ? d : V{};
    }

    void add_products(Index n, double* sum) {
        const V* y = y_of(n);
        const Real *dout = t.dout + n * s.pixels * job.out, *end = dout + s.pixels * job.out;
        for (Index oy = 0; oy < s.out_height; oy++, y += s.out_width * s.out_vectors, dout += s.out_width * job.out)
            for (Index c = 0; c < s.out_vectors; c++) {
                V first = {}, products = {};
                for (Index x = 0; x < s.out_width; x++) {
                    V value = y[x * s.out_vectors + c], d = gradient(dout + x * job.out, end, value, c);
                    first += d, products += d * (value - means[c]);
                }
                put(sum, c, first, products);
            }
    }

    void norm_gradient() {
        double n = s.count();
        for (Index c = 0; c < job.out; c++) {
            double sum, products, r = rstd[c];
            total(c, sum, products);
            t.dbeta[c] = Real(sum), t.dgamma[c] = Real(products * r);
            c0[c / L][c % L] = Real(sum / n), c1[c / L][c % L] = Real(products * r * r / n);
        }
    }

    // Back through batch norm and convolution, one image.
    void through(Index n, V* part) {
        pad(n);
        const V* y = y_of(n);
        const Real *dout = t.dout + n * s.pixels * job.out, *end = dout + s.pixels * job.out;
        for (Index oy = 0; oy < s.out_height; oy++) {
            V* d = d_padded() + (oy + 1) * s.d_pitch / L + s.out_vectors;
            for (Index x = 0; x < s.out_width; x++, dout += job.out)
                for (Index c = 0; c < s.out_vectors; c++, y++) {
                    V before = gradient(dout, end, *y, c);
                    d[x * s.out_vectors + c] = scale[c] * (before - c0[c] - (*y - means[c]) * c1[c]);
                }
            for (Index ky = 0; ky < 3; ky++)
                add_weights(padded() + (2 * oy + ky) * s.pitch, d, part + ky * s.run * s.out_vectors);
        }
        if (job.wants_dx) spread(n);
    }

    void add_weights(const Real* row, const V* d, V* part) {
        for (Index c = 0; c < s.out_vectors; c++)
            in_parts(s.run, [&](Index j, Index count) {
                V* to = part + j * s.out_vectors + c;
                auto add = Outers::rows<Real>[count - 1];
                add(row + j, 2 * job.in, d + c, s.out_vectors, s.out_width, to, s.out_vectors);
            });
    }

    // dx of an image: what each of its pixels gave to the outputs around it.
    void spread(Index n) {
        Real *to = t.dx + n * job.height * job.width * job.in, *end = to + job.height * job.width * job.in;
        for (Index y = 0; y < job.height; y++, to += job.width * job.in) {
            for (Index even = 0; even < 2; even++) spread_columns(y, even);
            const V* row = row_of_dx();
            for (Index x = 0; x < job.width; x++)
                for (Index c = 0; c < s.in_vectors; c++, row++) store(to + x * job.in + c * L, end, *row);
        }
    }

    void spread_columns(Index y, Index parity) {
        V* row = row_of_dx();
        const Real* all = reinterpret_cast<const Real*>(d_padded());
        Index step = s.out_vectors * L;
        for (Index c = 0; c < s.in_vectors; c++)
            in_tiles((job.width - parity + 1) / 2, [&](auto tile, Index x) {
                constexpr int P = decltype(tile)::value;
                V acc[P] = {};
                for (Index ky = (y + 1) % 2; ky < 3; ky += 2)
                    for (Index kx = (parity + 1) % 2; kx < 3; kx += 2) {
                        Index oy = (y + 1 - ky) / 2, ox = x + (parity + 1 - kx) / 2;  // the border beyond is zero
                        const Real* d = all + (oy + 1) * s.d_pitch + (ox + 1) * step;
                        const V* w = transposed + (ky * 3 + kx) * job.out * s.in_vectors + c;
                        accumulate<P>(d, step, job.out, w, s.in_vectors, acc);
                    }
                UNROLL for (int p = 0; p < P; p++) row[(2 * (x + p) + parity) * s.in_vectors + c] = acc[p];
            });
    }

    void weight_gradient() {
        Index size = 3 * s.run * s.out_vectors;
        for (Index chunk = 1; chunk < s.chunks; chunk++)
            for (Index i = 0; i < size; i++) parts[i] += parts_of(chunk)[i];
        for (Index o = 0; o < job.out; o++)
            for (Index i = 0; i < job.in; i++)
                for (Index k = 0; k < 9; k++)
                    t.dweight[at(o, i, k / 3, k % 3)] = parts[(k * job.in + i) * s.out_vectors + o / L][o % L];
    }
};
