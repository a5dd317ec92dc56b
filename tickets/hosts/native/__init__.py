"""Search blocks computed by kernels of our own on the CPU, a whole block while it is in the cache. Imports no torch.

`processor` says what the machine can run, `objects` where compiled kernels come from, `library` loads them, `call`
gives them to autograd, `block` and `stem` say what is asked of them, and `force` puts them in force:

    from tickets.hosts.native import force

    with force.using("avx512"):
        ticket = drawer.draw(request)

The kernels themselves are C++ in `kernels/`; docs/performance.md tells how they work.
"""
