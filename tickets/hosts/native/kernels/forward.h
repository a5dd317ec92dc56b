// The forward pass of a search block:
//     h1 = relu(bn1(expand x));  z = depthwise(h1);  a = relu(bn2(z));  o = project(a);  out = bn3(o) + skip.
// The statistics of bn1 follow from the mean m and the covariance C of x: mean(W x) = W m, var(W x) = diag(W C W'). So
// its scale goes into the expansion's weights, its shift into the start of the sum, and the raw expansion never exists.
// Of the wide maps z alone is kept, and with fixed statistics not even that.
#pragma once

#include "packing.h"

class Forward : Pass {
    using D = Lanes<double>::Vector;
    static constexpr Index LD = Lanes<double>::count, TILE = 64;

    Index in_doubles, planes_size, scratch_size;
    double *gram, *covariance;   // [chunk][in + 1][in], sums in the last row; [in][in]
    double *sums2, *sums3;       // [chunk][block][sum, squares][L]; [chunk][sum, squares][out]
    V *scale2, *shift2, *project, *scale3, *shift3, *skip, *scratch;

public:
    using Pass::workspace;

    Forward(const Job& job, const Tensors& t) : Pass(job, t), in_doubles(up(s.in, LD) / LD) {
        gram = arena.take<double>(s.chunks * (s.in + 1) * in_doubles * LD);
        covariance = arena.take<double>(s.in * in_doubles * LD);
        sums2 = arena.take<double>(s.chunks * s.count() * 2 * L);
        sums3 = arena.take<double>(s.chunks * 2 * s.out_vectors * L);
        scale2 = arena.take<V>(s.count()), shift2 = arena.take<V>(s.count());
        scale3 = arena.take<V>(s.out_vectors), shift3 = arena.take<V>(s.out_vectors);
        project = arena.take<V>(s.count() * L * s.out_vectors), skip = arena.take<V>(s.in * s.out_vectors);
        planes_size = s.planes(3) + s.planes(5) + s.planes(7);
        Index wide = std::max(TILE * in_doubles, PANEL * (in_doubles + s.in));  // pixels, or units, in double
        Index kept = job.is_fixed ? s.pixels_out * (s.count() + s.out_vectors) : 0;  // z and o of a stack
        scratch_size = planes_size + TILE + PANEL * s.out_vectors + std::max(wide, kept);
        scratch = arena.take<V>(job.threads * scratch_size);
    }

    Index doubles() const { return found.doubles; }
    Index size_of_z() const { return job.is_fixed ? 0 : s.count() * s.stacks * s.pixels_out * L; }
    Index size_of_o() const { return job.is_fixed ? 0 : s.stacks * s.pixels_out * s.out_vectors * L; }

    void run() {
        Rounding rounding;
        expansion.place(s);
        if (job.skip == CONVOLUTION) spread_skip(s, t.skip, skip, false);
#pragma omp parallel num_threads(job.threads)
        {
            rounding.take_over();
            memset(planes(0), 0, planes_size * BYTES);
#pragma omp for schedule(static)
            for (Index c = 0; c < s.chunks; c++) take_in(c);
#pragma omp single
            covary();
#pragma omp for schedule(static)
            for (Index b = 0; b < s.count(); b++) first_norm(b);
            if (job.is_fixed) evaluate();
            else train();
        }
    }

private:
    // A thread's own memory: planes by kernel size, a tile, skipped values, and what a phase alone needs.
    V* mine() const { return scratch + omp_get_thread_num() * scratch_size; }
    V* planes(Index kernel) const {
        return mine() + (kernel > 0 ? s.planes(3) : 0) + (kernel > 1 ? s.planes(5) : 0);
    }
    V* tile() const { return mine() + planes_size; }
    V* skipped() const { return tile() + TILE; }
    V* own() const { return skipped() + PANEL * s.out_vectors; }

    void train() {
        Index step = s.stacks * s.pixels_out;
        V *z = reinterpret_cast<V*>(t.z), *o = reinterpret_cast<V*>(t.o);
#pragma omp for schedule(static)
        for (Index c = 0; c < s.chunks; c++) {
            memset(sums2 + c * s.count() * 2 * L, 0, s.count() * 2 * L * sizeof(double));
            for (Index n = s.begin(c); n < s.begin(c + 1); n++) hide(c, n, z + n * s.pixels_out, step);
        }
#pragma omp for schedule(static)
        for (Index b = 0; b < s.count(); b++) second_norm(b);
#pragma omp for schedule(static)
        for (Index c = 0; c < s.chunks; c++) {
            memset(sums3 + c * 2 * s.out_vectors * L, 0, 2 * s.out_vectors * L * sizeof(double));
            for (Index n = s.begin(c); n < s.begin(c + 1); n++) {
                bring_back(z + n * s.pixels_out, step, o + n * s.pixels_out * s.out_vectors);
                add_up(c, n, o + n * s.pixels_out * s.out_vectors);
            }
        }
#pragma omp single
        third_norm();
#pragma omp for schedule(static)
        for (Index n = 0; n < s.stacks; n++) give_out(n, o + n * s.pixels_out * s.out_vectors);
    }

    void evaluate() {
#pragma omp for schedule(static)
        for (Index b = 0; b < s.count(); b++) second_norm(b);
#pragma omp single
        third_norm();
        V *z = own(), *o = z + s.pixels_out * s.count();
#pragma omp for schedule(static)
        for (Index n = 0; n < s.stacks; n++) {
            hide(0, n, z, s.pixels_out);
            bring_back(z, s.pixels_out, o);
            give_out(n, o);
        }
    }

    const Real* x_of(Index n) const { return t.x + n * s.stack * s.height * s.width * s.in; }

    // Packs a chunk of x, and adds up its sum and Gram matrix in double.
    void take_in(Index chunk) {
        double* total = gram + chunk * (s.in + 1) * in_doubles * LD;
        memset(total, 0, (s.in + 1) * in_doubles * BYTES);
        for (Index n = s.begin(chunk); n < s.begin(chunk + 1); n++) {
            Index pixels = s.live(n) * s.height * s.width;
            take_x(n);
            if (job.is_fixed) continue;
            for (Index q = 0; q < pixels; q += TILE) add_gram(x_of(n) + q * s.in, std::min(TILE, pixels - q), total);
        }
    }

    void add_gram(const Real* x, Index pixels, double* total) {
        D *row = reinterpret_cast<D*>(own()), *to = reinterpret_cast<D*>(total), *sum = to + s.in * in_doubles;
        double* rows = reinterpret_cast<double*>(row);
        Index width = in_doubles * LD;
        for (Index i = 0; i < pixels; i++)
            for (Index c = 0; c < width; c++) rows[i * width + c] = c < s.in ? double(x[i * s.in + c]) : 0.0;
        for (Index j = 0; j < in_doubles; j++) {
            for (Index i = 0; i < pixels; i++) sum[j] += row[i * in_doubles + j];
            in_parts(std::min((j + 1) * LD, s.in), [&](Index c, Index m) {  // the triangle up to these columns
                Outers::rows<double>[m - 1](rows + c, width, row + j, in_doubles, pixels, to + c * in_doubles + j,
                                            in_doubles);
            });
        }
    }

    void covary() {
        if (job.is_fixed) return;
        double n = s.images * s.height * s.width;
        Index width = in_doubles * LD, size = (s.in + 1) * width;
        for (Index chunk = 1; chunk < s.chunks; chunk++)
            for (Index i = 0; i < size; i++) gram[i] += gram[chunk * size + i];
        for (Index c = 0; c < s.in; c++) found.mean_x[c] = gram[s.in * width + c] / n;
        memset(covariance, 0, s.in * in_doubles * BYTES);
        for (Index i = 0; i < s.in; i++)
            for (Index j = i; j < s.in; j++)
                covariance[i * width + j] = covariance[j * width + i] =
                    gram[i * width + j] / n - found.mean_x[i] * found.mean_x[j];
    }

    // Statistics of a block's expanded maps, which are never computed themselves.
    void first_norm(Index b) {
        const Block& block = s.blocks[b];
        const Norm norm(job, t, 0);
        double n = s.images * s.height * s.width;
        D* product = reinterpret_cast<D*>(own());
        if (!job.is_fixed) times_covariance(block, product);
        for (Index l = 0; l < L; l++) {
            Moments m = {0, 0};
            if (l < block.live) {
                Index unit = block.first + l;
                if (!job.is_fixed) m = expanded(unit, reinterpret_cast<double*>(product + l * in_doubles));
                m = norm.settled(unit, m, n);
            }
            found.mean1[b * L + l] = m.mean, found.rstd1[b * L + l] = norm.reciprocal(m.var);
        }
        expansion.pack(s, t, found, b);
    }

    // W Cov of a block's units, [unit][in].
    void times_covariance(const Block& block, D* product) {
        double* panel = reinterpret_cast<double*>(product + PANEL * in_doubles);
        memset(panel, 0, s.in * PANEL * sizeof(double));
        for (Index l = 0; l < block.live; l++)
            for (Index i = 0; i < s.in; i++) panel[i * PANEL + l] = t.expand[(block.first + l) * s.in + i];
        for (Index j = 0; j < in_doubles; j++) {
            D acc[PANEL];
            panel_times(panel, s.in, reinterpret_cast<D*>(covariance) + j, in_doubles, D{}, acc);
            UNROLL for (int l = 0; l < PANEL; l++) product[l * in_doubles + j] = acc[l];
        }
    }

    Moments expanded(Index unit, const double* wcov) {
        const Real* row = t.expand + unit * s.in;
        double mean = 0, var = 0;
        for (Index i = 0; i < s.in; i++) {
            mean += row[i] * found.mean_x[i], var += row[i] * wcov[i];
            found.wcov[unit * s.in + i] = Real(wcov[i]);
        }
        return {mean, not_negative(var)};
    }

    // z of a stack: block b at z + b * step.
    void hide(Index chunk, Index n, V* z, Index step) {
        for (Index b = 0; b < s.count(); b++, z += step) {
            const Block& block = s.blocks[b];
            V* plane = planes(block.kernel);
            expansion.run(s, b, x_panels + n * s.pixels_in * s.in, plane);
            Index pitch = s.pitch(block.k);
            V* row = z;
            for (Index image = 0; image < s.live(n); image++, plane += s.plane(block.k))
                for (Index y = 0; y < s.out_height; y++, row += s.out_width) {
                    const V* weight = expansion.depthwise + b * TAPS;
                    depthwise.convolve[block.kernel](plane + y * s.stride * pitch, pitch, weight, row, s.out_width);
                    if (!job.is_fixed) add_row(row, sums2 + (chunk * s.count() + b) * 2 * L);
                }
            for (; row < z + s.pixels_out; row++) *row = V{};
        }
    }

    void add_row(const V* row, double* sum) {
        V total = {}, squares = {};
        for (Index x = 0; x < s.out_width; x++) total += row[x], squares += row[x] * row[x];
        for (Index l = 0; l < L; l++) sum[l] += total[l], sum[L + l] += squares[l];
    }

    void second_norm(Index b) {
        const Block& block = s.blocks[b];
        const Norm norm(job, t, 1);
        double n = s.images * s.out_height * s.out_width;
        scale2[b] = shift2[b] = V{};
        for (Index l = 0; l < L; l++) {
            double sum = 0, squares = 0;
            for (Index chunk = 0; chunk < s.chunks && !job.is_fixed; chunk++) {
                const double* part = sums2 + (chunk * s.count() + b) * 2 * L;
                sum += part[l], squares += part[L + l];
            }
            Moments m = moments(sum, squares, n);
            Index unit = block.first + l;
            if (l < block.live) m = norm.settled(unit, m, n);
            double rstd = norm.reciprocal(m.var);
            found.mean2[b * L + l] = m.mean, found.rstd2[b * L + l] = rstd;
            if (l < block.live) affine(scale2[b], shift2[b], l, t.gamma2[unit], t.beta2[unit], m.mean, rstd);
        }
        Real* rows = reinterpret_cast<Real*>(project + b * L * s.out_vectors);
        memset(rows, 0, L * s.out_vectors * BYTES);
        for (Index c = 0; c < s.out; c++)
            for (Index l = 0; l < block.live; l++)
                rows[l * s.out_vectors * L + c] = t.project[c * s.hidden + block.first + l];
    }

    // o of a stack from its z, a tile of pixels at a time.
    void bring_back(const V* z, Index step, V* o) {
        V* active = tile();
        for (Index q = 0; q < s.pixels_out; q += TILE, o += TILE * s.out_vectors) {
            Index size = std::min(TILE, s.pixels_out - q);
            memset(o, 0, size * s.out_vectors * BYTES);
            for (Index b = 0; b < s.count(); b++) {
                const V *from = z + b * step + q, *next = b + 1 < s.count() ? from + step : from;
                V scale = scale2[b], shift = shift2[b];
                for (Index i = 0; i < size; i++) {
                    __builtin_prefetch(next + i);
                    active[i] = relu(from[i] * scale + shift);
                }
                collect(active, size, project + b * L * s.out_vectors, s.out_vectors, o);
            }
        }
    }

    void add_up(Index chunk, Index n, const V* o) {
        double* sums = sums3 + chunk * 2 * s.out_vectors * L;
        Index pixels = outputs(n);
        for (Index q = 0; q < pixels; q += TILE)
            for (Index c = 0; c < s.out_vectors; c++) {
                V total = {}, squares = {};
                for (Index i = q; i < std::min(q + TILE, pixels); i++) {
                    V value = o[i * s.out_vectors + c];
                    total += value, squares += value * value;
                }
                for (Index l = 0; l < L; l++)
                    sums[c * L + l] += total[l], sums[(s.out_vectors + c) * L + l] += squares[l];
            }
    }

    void third_norm() {
        const Norm norm(job, t, 2);
        double n = s.images * s.out_height * s.out_width;
        for (Index c = 0; c < s.out_vectors; c++) scale3[c] = shift3[c] = V{};
        for (Index c = 0; c < s.out; c++) {
            double sum = 0, squares = 0;
            for (Index chunk = 0; chunk < s.chunks && !job.is_fixed; chunk++) {
                const double* part = sums3 + chunk * 2 * s.out_vectors * L;
                sum += part[c], squares += part[s.out_vectors * L + c];
            }
            Moments m = norm.settled(c, moments(sum, squares, n), n);
            double rstd = norm.reciprocal(m.var);
            found.mean3[c] = m.mean, found.rstd3[c] = rstd;
            affine(scale3[c / L], shift3[c / L], c % L, t.gamma3[c], t.beta3[c], m.mean, rstd);
        }
    }

    void give_out(Index n, const V* o) {
        Index pixels = outputs(n), first = n * s.stack * s.out_height * s.out_width;
        Real *out = t.out + first * s.out, *end = out + pixels * s.out;
        const Real *x = t.x + first * s.out, *x_end = x + pixels * s.out;  // of an identity
        V* add = skipped();
        for (Index q = 0; q < pixels; q += PANEL) {
            if (job.skip == CONVOLUTION) skip_panel(x_centres + (n * s.pixels_out + q) * s.in, add);
            for (Index i = 0; i < std::min<Index>(PANEL, pixels - q); i++, o += s.out_vectors, out += s.out, x += s.out)
                for (Index c = 0; c < s.out_vectors; c++) {
                    V y = o[c] * scale3[c] + shift3[c];
                    if (job.skip == CONVOLUTION) y += add[i * s.out_vectors + c];
                    else if (job.skip == IDENTITY) y += load(x + c * L, x_end);
                    store(out + c * L, end, y);
                }
        }
    }

    void skip_panel(const Real* panel, V* to) {
        for (Index c = 0; c < s.out_vectors; c++) {
            V acc[PANEL];
            panel_times(panel, s.in, skip + c, s.out_vectors, V{}, acc);
            UNROLL for (int i = 0; i < PANEL; i++) to[i * s.out_vectors + c] = acc[i];
        }
    }
};
