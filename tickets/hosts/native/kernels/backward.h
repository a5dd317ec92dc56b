// The backward pass of a search block; dX is the gradient of X.
//
// h1 is computed again, block by block. For each group of blocks whose dy2 fits into the cache: first all images back
// through the projection, then all images back through the depthwise convolution and the expansion. Batch norms are
// differentiated in closed form. That of bn1 needs no pass of its own: sum(dy1 xhat) = diag(G W') with G = sum(dy1 x'),
// and what x does through its statistics is one small matrix [in][in], applied to x at the end.
#pragma once

#include "packing.h"

class Backward : Pass {
    static constexpr Index TILE = 64;

    Index group, sums_size, parts_size, planes_size, scratch_size;
    Real* do_panels;
    double *sums3;           // [chunk][dout, dout * (o - mean)][out]
    double *sums;            // [chunk][block of group][dy2, dy2 * (z - mean), dy1][L]
    V *parts;                // [chunk][block of group][dproject, dexpand, ddepthwise]
    V *flipped, *project, *expand;            // [block][TAPS], [block][out], [block][L][in_vectors]
    V *scale2, *shift2, *mean2, *k0, *k1, *k2;  // by block: dz = k0 * dy2 - k1 - (z - mean) * k2
    V *scale3, *mean3, *c0, *c1;              // by vector of channels: do = scale * (dout - c0 - (o - mean) * c1)
    V *dy2, *dx, *mixing, *mixed, *skip, *skip_parts, *scratch;
    double *shift_x, *means;  // what all pixels of dx have in common; by hidden unit: scale * mean(dy1)

public:
    using Pass::workspace;

    Backward(const Job& job, const Tensors& t) : Pass(job, t), group(s.group()) {
        sums_size = 3 * L, parts_size = s.out + s.in + TAPS;
        do_panels = arena.take<Real>(s.stacks * s.pixels_out * s.out);
        sums3 = arena.take<double>(s.chunks * 2 * s.out);
        sums = arena.take<double>(s.chunks * group * sums_size);
        parts = arena.take<V>(s.chunks * group * parts_size);
        flipped = arena.take<V>(s.count() * TAPS), project = arena.take<V>(s.count() * s.out);
        expand = arena.take<V>(s.count() * L * s.in_vectors);
        for (V** by_block : {&scale2, &shift2, &mean2, &k0, &k1, &k2}) *by_block = arena.take<V>(s.count());
        for (V** by_vector : {&scale3, &mean3, &c0, &c1}) *by_vector = arena.take<V>(s.out_vectors);
        dy2 = arena.take<V>(group * s.stacks * s.pixels_out), dx = arena.take<V>(s.stacks * s.pixels_in * s.in_vectors);
        mixing = arena.take<V>(s.in * s.in_vectors), mixed = arena.take<V>(s.hidden * s.in_vectors);
        skip = arena.take<V>(s.out * s.in_vectors), skip_parts = arena.take<V>(s.chunks * s.in * s.out_vectors);
        shift_x = arena.take<double>(s.in), means = arena.take<double>(s.hidden);
        planes_size = 2 * (s.planes(3) + s.planes(5) + s.planes(7));
        scratch_size = planes_size + s.pixels_in + s.pixels_out + std::max(2 * PANEL * s.out_vectors, s.in_vectors);
        scratch = arena.take<V>(job.threads * scratch_size);
    }

    void run() {
        Rounding rounding;
        expansion.place(s);
        if (job.skip == CONVOLUTION) spread_skip(s, t.skip, skip, true);
#pragma omp parallel num_threads(job.threads)
        {
            rounding.take_over();
            memset(mine(), 0, scratch_size * BYTES);
#pragma omp for schedule(static)
            for (Index b = 0; b < s.count(); b++) prepare(b);
#pragma omp for schedule(static)
            for (Index c = 0; c < s.chunks; c++) take_in(c);
#pragma omp single
            third_norm();
#pragma omp for schedule(static)
            for (Index c = 0; c < s.chunks; c++) enter(c);
            if (job.skip == CONVOLUTION)
#pragma omp single nowait
                skip_gradient();
            for (Index from = 0; from < s.count(); from += group) through(from, std::min(from + group, s.count()));
#pragma omp for schedule(static)
            for (Index c = 0; c < s.in_vectors; c++) mix(c);
#pragma omp for schedule(static)
            for (Index n = 0; n < s.stacks; n++) give_out(n);
        }
    }

private:
    // A thread's own memory: by kernel size the planes of h1 and of dz; dy1 and a; what a phase alone needs.
    V* mine() const { return scratch + omp_get_thread_num() * scratch_size; }
    V* planes(Index kernel) const {
        return mine() + 2 * ((kernel > 0 ? s.planes(3) : 0) + (kernel > 1 ? s.planes(5) : 0));
    }
    V* dy1() const { return mine() + planes_size; }
    V* active() const { return dy1() + s.pixels_in; }
    V* own() const { return active() + s.pixels_out; }

    const Real* dout_of(Index n) const { return t.dout + n * s.stack * s.out_height * s.out_width * s.out; }
    const V* o_of(Index n) const { return reinterpret_cast<const V*>(t.o) + n * s.pixels_out * s.out_vectors; }
    const V* z_of(Index b, Index n) const {
        return reinterpret_cast<const V*>(t.z) + (b * s.stacks + n) * s.pixels_out;
    }
    V* dy2_of(Index slot, Index n) const { return dy2 + (slot * s.stacks + n) * s.pixels_out; }
    double* sums_of(Index chunk, Index slot) const { return sums + (chunk * group + slot) * sums_size; }
    V* parts_of(Index chunk, Index slot) const { return parts + (chunk * group + slot) * parts_size; }

    // A block's weights in the layouts of this pass.
    void prepare(Index b) {
        expansion.pack(s, t, found, b);
        const Block& block = s.blocks[b];
        for (Index c = 0; c < s.out; c++) {
            project[b * s.out + c] = V{};
            memcpy(project + b * s.out + c, t.project + c * s.hidden + block.first, block.live * sizeof(Real));
        }
        for (Index i = 0, taps = block.k * block.k; i < taps; i++)
            flipped[b * TAPS + i] = expansion.depthwise[b * TAPS + taps - 1 - i];
        memset(expand + b * L * s.in_vectors, 0, L * s.in_vectors * BYTES);
        scale2[b] = shift2[b] = mean2[b] = V{};
        for (Index l = 0; l < block.live; l++) {
            Index unit = block.first + l;
            double mean = found.mean2[b * L + l], first = t.gamma1[unit] * found.rstd1[b * L + l];
            mean2[b][l] = Real(mean);
            affine(scale2[b], shift2[b], l, t.gamma2[unit], t.beta2[unit], mean, found.rstd2[b * L + l]);
            Real* row = reinterpret_cast<Real*>(expand + (b * L + l) * s.in_vectors);
            for (Index c = 0; c < s.in; c++) row[c] = Real(first * t.expand[unit * s.in + c]);
        }
    }

    // Packs a chunk of x, clears its dx, and adds up what bn3's gradient needs.
    void take_in(Index chunk) {
        double *sum = sums3 + chunk * 2 * s.out, *products = sum + s.out;
        memset(sum, 0, 2 * s.out * sizeof(double));
        for (Index n = s.begin(chunk); n < s.begin(chunk + 1); n++) {
            take_x(n);
            memset(dx + n * s.pixels_in * s.in_vectors, 0, s.pixels_in * s.in_vectors * BYTES);
            for (Index q = 0; q < outputs(n); q += TILE)
                for (Index c = 0; c < s.out_vectors; c++) add_products(n, q, c, sum, products);
        }
    }

    void add_products(Index n, Index from, Index c, double* sum, double* products) {
        const Real *g = dout_of(n), *end = g + outputs(n) * s.out;
        const V* o = o_of(n);
        V total = {}, product = {}, mean = {};
        Index live = std::min(L, s.out - c * L);
        for (Index l = 0; l < live; l++) mean[l] = Real(found.mean3[c * L + l]);
        for (Index i = from; i < std::min(from + TILE, outputs(n)); i++) {
            V value = load(g + i * s.out + c * L, end);
            total += value, product += value * (o[i * s.out_vectors + c] - mean);
        }
        for (Index l = 0; l < live; l++) sum[c * L + l] += total[l], products[c * L + l] += product[l];
    }

    void third_norm() {
        for (Index chunk = 1; chunk < s.chunks; chunk++)
            for (Index i = 0; i < 2 * s.out; i++) sums3[i] += sums3[chunk * 2 * s.out + i];
        double n = s.images * s.out_height * s.out_width;
        for (Index c = 0; c < s.out_vectors; c++) scale3[c] = mean3[c] = c0[c] = c1[c] = V{};
        for (Index c = 0; c < s.out; c++) {
            double rstd = found.rstd3[c];
            t.dbeta3[c] = Real(sums3[c]), t.dgamma3[c] = Real(sums3[s.out + c] * rstd);
            scale3[c / L][c % L] = Real(t.gamma3[c] * rstd), mean3[c / L][c % L] = Real(found.mean3[c]);
            c0[c / L][c % L] = Real(sums3[c] / n), c1[c / L][c % L] = Real(sums3[s.out + c] * rstd * rstd / n);
        }
    }

    // do of a chunk, as panels; and back through a skip convolution.
    void enter(Index chunk) {
        memset(skip_parts + chunk * s.in * s.out_vectors, 0, s.in * s.out_vectors * BYTES);
        V* row = own();
        const Real* values = reinterpret_cast<const Real*>(row);
        for (Index n = s.begin(chunk); n < s.begin(chunk + 1); n++) {
            if (job.skip == CONVOLUTION) through_skip(chunk, n);
            Real* panel = do_panels + n * s.pixels_out * s.out;
            const Real *g = dout_of(n), *end = g + outputs(n) * s.out;
            const V* o = o_of(n);
            for (Index q = 0; q < s.pixels_out; q += PANEL, panel += PANEL * s.out) {
                Index live = std::clamp<Index>(outputs(n) - q, 0, PANEL);
                if (live < PANEL) memset(panel, 0, PANEL * s.out * sizeof(Real));
                for (Index i = 0; i < live; i++, g += s.out, o += s.out_vectors) {
                    for (Index c = 0; c < s.out_vectors; c++)
                        row[c] = scale3[c] * (load(g + c * L, end) - c0[c] - (o[c] - mean3[c]) * c1[c]);
                    for (Index c = 0; c < s.out; c++) panel[c * PANEL + i] = values[c];
                }
            }
        }
    }

    // The skip convolution's share of dx, and its weight's gradient.
    void through_skip(Index chunk, Index n) {
        V *rows = own(), *parts = skip_parts + chunk * s.in * s.out_vectors;
        Real* panel = reinterpret_cast<Real*>(rows + PANEL * s.out_vectors);
        const Real* g = dout_of(n);
        V* to = dx + n * s.pixels_in * s.in_vectors;
        for (Index q = 0; q < outputs(n); q += PANEL, g += PANEL * s.out) {
            Index live = std::min<Index>(PANEL, outputs(n) - q);
            memset(rows, 0, PANEL * s.out_vectors * BYTES);
            for (Index i = 0; i < live; i++)
                for (Index c = 0; c < s.out; c++) rows[c / L * PANEL + i][c % L] = g[i * s.out + c];
            pack_panels(g, s.out, live, PANEL, panel);
            const Real* x = x_centres + (n * s.pixels_out + q) * s.in;
            for (Index c = 0; c < s.out_vectors; c++) outer(x, s.in, rows + c * PANEL, PANEL, parts + c * s.in);
            for (Index c = 0; c < s.in_vectors; c++) {
                V acc[PANEL];
                panel_times(panel, s.out, skip + c, s.in_vectors, V{}, acc);
                for (Index i = 0; i < live; i++) to[centre(s, q + i) * s.in_vectors + c] += acc[i];
            }
        }
    }

    void skip_gradient() {
        Index in = s.in / job.groups, out = s.out / job.groups;
        for (Index o = 0; o < s.out; o++)
            for (Index i = 0; i < in; i++) {
                double total = 0;
                for (Index chunk = 0; chunk < s.chunks; chunk++)
                    total += skip_parts[(chunk * s.out_vectors + o / L) * s.in + o / out * in + i][o % L];
                t.dskip[o * in + i] = Real(total);
            }
    }

    // All that concerns a group of blocks.
    void through(Index from, Index to) {
#pragma omp for schedule(static)
        for (Index c = 0; c < s.chunks; c++) {
            memset(sums_of(c, 0), 0, (to - from) * sums_size * sizeof(double));
            memset(parts_of(c, 0), 0, (to - from) * parts_size * BYTES);
            for (Index n = s.begin(c); n < s.begin(c + 1); n++)
                for (Index b = from; b < to; b++) through_project(c, n, b, b - from);
        }
#pragma omp for schedule(static)
        for (Index b = from; b < to; b++) second_norm(b, b - from);
#pragma omp for schedule(static)
        for (Index c = 0; c < s.chunks; c++)
            for (Index n = s.begin(c); n < s.begin(c + 1); n++)
                for (Index b = from; b < to; b++) through_expand(c, n, b, b - from);
#pragma omp for schedule(static)
        for (Index b = from; b < to; b++) first_norm(b, b - from);
    }

    // Back through the projection to before bn2's normalisation: dy2, its sums, and the projection's gradient.
    void through_project(Index chunk, Index n, Index b, Index slot) {
        const Real* panels = do_panels + n * s.pixels_out * s.out;
        const V* z = z_of(b, n);
        V *to = dy2_of(slot, n), *a = active();
        V scale = scale2[b], shift = shift2[b], mean = mean2[b];
        double* sum = sums_of(chunk, slot);
        for (Index q = 0; q < s.pixels_out; q += PANEL) {
            V acc[PANEL], total = {}, products = {};
            panel_times(panels + q * s.out, s.out, project + b * s.out, 1, V{}, acc);
            UNROLL for (int i = 0; i < PANEL; i++) {
                V value = z[q + i], y = value * scale + shift;
                __builtin_prefetch(z + q + i + 2 * PANEL);
                a[q + i] = relu(y);
                V d = y > V{} ? acc[i] : V{};
                to[q + i] = d;
                total += d, products += d * (value - mean);
            }
            for (Index l = 0; l < L; l++) sum[l] += total[l], sum[L + l] += products[l];
        }
        outer(panels, s.out, a, s.pixels_out, parts_of(chunk, slot));
    }

    // Adds up what the chunks found of a block's sums [from, to) into the first chunk's.
    const V* total(Index slot, Index from, Index to) {
        V* sum = parts_of(0, slot);
        for (Index chunk = 1; chunk < s.chunks; chunk++) {
            const V* part = parts_of(chunk, slot);
            for (Index i = from; i < to; i++) sum[i] += part[i];
        }
        return sum;
    }

    void second_norm(Index b, Index slot) {
        const Block& block = s.blocks[b];
        const V* sum_of = total(slot, 0, s.out);
        double n = s.images * s.out_height * s.out_width;
        for (Index c = 0; c < s.out; c++)
            memcpy(t.dproject + c * s.hidden + block.first, sum_of + c, block.live * sizeof(Real));
        k0[b] = k1[b] = k2[b] = V{};
        for (Index l = 0; l < block.live; l++) {
            double sum = 0, products = 0, rstd = found.rstd2[b * L + l], scale = scale2[b][l];
            for (Index chunk = 0; chunk < s.chunks; chunk++)
                sum += sums_of(chunk, slot)[l], products += sums_of(chunk, slot)[L + l];
            k0[b][l] = Real(scale), k1[b][l] = Real(scale * sum / n);
            k2[b][l] = Real(scale * products * rstd * rstd / n);
            t.dbeta2[block.first + l] = Real(sum), t.dgamma2[block.first + l] = Real(products * rstd);
        }
    }

    // Back through the depthwise convolution and the expansion.
    void through_expand(Index chunk, Index n, Index b, Index slot) {
        const Block& block = s.blocks[b];
        const Real* panels = x_panels + n * s.pixels_in * s.in;
        V *h = planes(block.kernel), *d = h + s.planes(block.k), *to = dy1();
        V* part = parts_of(chunk, slot) + s.out;
        expansion.run(s, b, panels, h);
        Index size = s.out_height * s.out_width;
        for (Index image = 0; image < s.live(n); image++) {
            enter_depthwise(b, z_of(b, n) + image * size, dy2_of(slot, n) + image * size, d);
            through_depthwise(block, b, h + image * s.plane(block.k), d, part + s.in, to + image * s.height * s.width,
                              sums_of(chunk, slot) + 2 * L);
        }
        outer(panels, s.in, to, s.pixels_in, part);
        collect(to, s.pixels_in, expand + b * L * s.in_vectors, s.in_vectors, dx + n * s.pixels_in * s.in_vectors);
    }

    // dz of one image, into a padded plane.
    void enter_depthwise(Index b, const V* z, const V* g, V* plane) {
        Index r = s.blocks[b].k / 2, pitch = s.out_pitch(s.blocks[b].k);
        V a0 = k0[b], a1 = k1[b], a2 = k2[b], mean = mean2[b];
        for (Index y = 0; y < s.out_height; y++) {
            V* row = plane + (y + r) * pitch + r;
            for (Index x = 0; x < s.out_width; x++, z++, g++) {
                __builtin_prefetch(z + 2 * PANEL);
                __builtin_prefetch(g + 2 * PANEL);
                row[x] = a0 * *g - a1 - (*z - mean) * a2;
            }
        }
    }

    // The kernel's gradient of one image; dy1, and its sum.
    void through_depthwise(const Block& block, Index b, const V* h, const V* d, V* taps, V* to, double* sum) {
        Index k = block.k, r = k / 2, pitch = s.pitch(k), d_pitch = s.out_pitch(k);
        depthwise.taps_of[block.kernel](h, pitch, d + r * d_pitch + r, d_pitch, s.out_height, s.out_width, taps);
        for (Index y = 0; y < s.height; y++, to += s.width) {
            if (s.stride == 1)
                depthwise.transpose[block.kernel](d + y * d_pitch, d_pitch, flipped + b * TAPS, to, s.width);
            else
                for (Index parity = 0; parity < std::min<Index>(2, s.width); parity++)
                    depthwise.spread[block.kernel][parity](d, d_pitch, expansion.depthwise + b * TAPS, to, s.width, y);
            const V* above = h + (y + r) * pitch + r;
            V total = {};
            for (Index x = 0; x < s.width; x++) {
                to[x] = above[x] > V{} ? to[x] : V{};
                total += to[x];
            }
            for (Index l = 0; l < L; l++) sum[l] += total[l];
        }
    }

    // Gradients of the expansion and of bn1 in closed form, from sum(dy1 x') and sum(dy1); and the depthwise kernels'.
    void first_norm(Index b, Index slot) {
        const Block& block = s.blocks[b];
        const V* sum_of = total(slot, s.out, parts_size) + s.out;
        double n = s.images * s.height * s.width;
        for (Index l = 0; l < block.live; l++) {
            Index unit = block.first + l;
            const Real *weight = t.expand + unit * s.in, *wcov = found.wcov + unit * s.in;
            double sum = 0, product = 0, rstd = found.rstd1[b * L + l], scale = t.gamma1[unit] * rstd;
            for (Index chunk = 0; chunk < s.chunks; chunk++) sum += sums_of(chunk, slot)[2 * L + l];
            for (Index c = 0; c < s.in; c++) product += (sum_of[c][l] - sum * found.mean_x[c]) * weight[c];
            t.dbeta1[unit] = Real(sum), t.dgamma1[unit] = Real(product * rstd), means[unit] = scale * sum / n;
            double factor = product * rstd * rstd;
            Real *to = t.dexpand + unit * s.in, *row = reinterpret_cast<Real*>(mixed + unit * s.in_vectors);
            memset(row, 0, s.in_vectors * BYTES);
            for (Index c = 0; c < s.in; c++) {
                to[c] = Real(scale * (sum_of[c][l] - sum * found.mean_x[c] - factor * wcov[c]));
                row[c] = Real(-scale * factor / n * weight[c]);
            }
            s.each_tap(block, unit, t.ddepthwise, [&](Index i, Real* tap) { *tap = sum_of[s.in + i][l]; });
        }
    }

    // One vector of columns of -W' diag(scale * rstd * mean(dy1 * xhat)) W, by which x enters dx through bn1's
    // statistics.
    void mix(Index column) {
        for (Index c = 0; c < s.in; c++) mixing[c * s.in_vectors + column] = V{};
        in_parts(s.in, [&](Index c, Index m) {
            Outers::rows<Real>[m - 1](t.expand + c, s.in, mixed + column, s.in_vectors, s.hidden,
                                      mixing + c * s.in_vectors + column, s.in_vectors);
        });
        for (Index l = 0; l < std::min(L, s.in - column * L); l++) {
            double constant = 0;
            for (Index h = 0; h < s.hidden; h++) constant -= means[h] * t.expand[h * s.in + column * L + l];
            for (Index c = 0; c < s.in; c++) constant -= mixing[c * s.in_vectors + column][l] * found.mean_x[c];
            shift_x[column * L + l] = constant;
        }
    }

    void give_out(Index n) {
        Index pixels = s.live(n) * s.height * s.width, first = n * s.stack * s.height * s.width;
        Real *out = t.dx + first * s.in, *end = out + pixels * s.in;
        const Real *g = t.dout + first * s.in, *g_end = g + pixels * s.in;  // of an identity
        V* shift = own();
        memset(shift, 0, s.in_vectors * BYTES);
        for (Index c = 0; c < s.in; c++) shift[c / L][c % L] = Real(shift_x[c]);
        for (Index q = 0; q < pixels; q += PANEL) {
            V* sum = dx + (n * s.pixels_in + q) * s.in_vectors;
            for (Index c = 0; c < s.in_vectors; c++) {
                V acc[PANEL];
                const Real* panel = x_panels + (n * s.pixels_in + q) * s.in;
                panel_times(panel, s.in, mixing + c, s.in_vectors, shift[c], acc);
                UNROLL for (int i = 0; i < PANEL; i++) sum[i * s.in_vectors + c] += acc[i];
            }
            for (Index i = 0; i < std::min<Index>(PANEL, pixels - q); i++, out += s.in, g += s.in)
                for (Index c = 0; c < s.in_vectors; c++) {
                    V value = sum[i * s.in_vectors + c];
                    if (job.skip == IDENTITY) value += load(g + c * L, g_end);
                    store(out + c * L, end, value);
                }
        }
    }
};
