// One search block (expand 1x1 - BN - ReLU - depthwise 3/5/7 - BN - ReLU - project 1x1 - BN, + skip) as one forward and
// one backward call, for maps in channels_last. The mathematics is that of `SearchBlock`, only sums are reordered.
//
// The interface: plain C, structs of integers and pointers (shape.h), no exceptions, no state between calls.

#include "backward.h"
#include "forward.h"

// All else is hidden: objects for several types and instruction sets are loaded into one process.
#define EXPORT __attribute__((visibility("default")))

extern "C" {
// Raised with every change of the interface's structs.
EXPORT int64_t block_interface() { return 1; }

// Bytes of the structs and of a register, by which the caller sees that it fits.
EXPORT void block_layout(int64_t* sizes) { sizes[0] = sizeof(Job), sizes[1] = sizeof(Tensors), sizes[2] = BYTES; }

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
}
