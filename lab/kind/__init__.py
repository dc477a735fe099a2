"""A kind cluster that has no way out of the machine, where each node has a kernel with IPVS.

``python -m lab prepare-kind`` builds what it takes, from package registries, and keeps it outside the checkout; where
a registry of images is within reach, the ordinary node image is used instead. Everything else happens inside
``python -m lab enter``:

``lab.docker.Docker``
    A container engine of the lab's own.
``lab.kind.images``
    The product's images, made by deploy/images/, and what the tests need besides.
``lab.kind.cluster.Cluster``
    The cluster: ``create()``, ``kubectl()``, ``helm()``, ``load()``, ``stop()`` and ``start()`` of a node.
``lab.kind.nodekernel``
    A node's kernel: its own where the machine has IPVS, else user-mode Linux beside the node, which outlives any pod.
    ``run()`` runs a command there. Pods reach it through ``enter.py`` and ``door.py``, and know nothing of it.
"""
