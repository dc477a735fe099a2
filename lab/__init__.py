"""A kernel with IPVS, networks of namespaces and a real API server, on any Linux machine.

Everything runs inside ``python -m lab enter -- COMMAND``: namespaces of its own with no interface that leads out of
the machine, and nothing survives it. There, a test uses:

``lab.kernel.boot()``
    A kernel with IPVS: this machine's where it has one, user-mode Linux otherwise; the caller can't tell.
    ``kernel.run(argv, netns=...)``, ``kernel.popen(...)``, ``kernel.write_file(...)``, ``kernel.read_file(...)``.
``lab.topology``, ``lab.topologies``
    Hosts (network namespaces of that kernel) on segments, with addresses and routes.
``lab.apiserver``
    etcd and kube-apiserver, outside that kernel; hosts reach it by their interface ``mgmt0``.
``lab.processes``
    The real operator and agents, and ``wait_until``.

``python -m lab run -- COMMAND`` runs a command inside the kernel itself.
"""
