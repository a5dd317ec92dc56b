// A search block (expand 1x1 - BN - ReLU - depthwise 3/5/7 - BN - ReLU - project 1x1 - BN, + skip) and a layer of a
// stem (convolution 3x3 of stride 2 - BN - ReLU), each as one forward and one backward call, for maps in channels_last.
// The mathematics is that of `SearchBlock` and of the stem's modules, only sums are reordered.
//
// The interface: plain C, structs of integers and pointers (shape.h, stem.h), no exceptions, no state between calls.

#include "backward.h"
#include "forward.h"
#include "stem.h"

// All else is hidden: objects for several types and instruction sets are loaded into one process.
#define EXPORT __attribute__((visibility("default")))

extern "C" {
// By which the caller sees that the structs fit: their number, raised with every change of them, their bytes, and those
// of a register.
EXPORT void interface(int64_t* told) {
    told[0] = 2, told[1] = sizeof(Job), told[2] = sizeof(Tensors), told[3] = sizeof(StemJob);
    told[4] = sizeof(StemTensors), told[5] = BYTES;
}

// Elements of z and of o, doubles of stats, and bytes of the workspace that both calls share.
EXPORT void block_sizes(const Job* job, int64_t* sizes) {
    Tensors none = {};
    Forward forward(*job, none);
    sizes[0] = forward.size_of_z(), sizes[1] = forward.size_of_o(), sizes[2] = forward.doubles();
    sizes[3] = forward.workspace();
    if (!job->is_fixed) sizes[3] = std::max(sizes[3], Backward(*job, none).workspace());
}

EXPORT void block_forward(const Job* job, const Tensors* tensors) { Forward(*job, *tensors).run(); }
EXPORT void block_backward(const Job* job, const Tensors* tensors) { Backward(*job, *tensors).run(); }

// Elements of y, doubles of stats, and bytes of the workspace.
EXPORT void stem_sizes(const StemJob* job, int64_t* sizes) {
    StemTensors none = {};
    Stem stem(*job, none);
    sizes[0] = stem.size_of_y(), sizes[1] = 2 * job->out, sizes[2] = stem.workspace();
}

EXPORT void stem_forward(const StemJob* job, const StemTensors* tensors) { Stem(*job, *tensors).forward(); }
EXPORT void stem_backward(const StemJob* job, const StemTensors* tensors) { Stem(*job, *tensors).backward(); }
}
