"""A kernel with IPVS, networks of namespaces and a real API server, on any Linux machine.

Everything runs inside ``python -m lab enter -- COMMAND``: namespaces of its own with no interface that leads out of
the machine, and nothing survives it. There, a test uses:

``lab.kernel.boot() -> Kernel``
    A kernel with IPVS: this machine's where it has one, user-mode Linux otherwise; the caller can't tell.
    ``run(argv, netns=, env=, cwd=, input=, check=, timeout=) -> Finished`` (code, stdout, stderr), ``popen(argv,
    netns=, env=, cwd=, stdin=, log=) -> GuestProcess``, ``write_file(path, text)``, ``read_file(path)``, ``close()``.
    Files that processes there watch go below /run/lab, by ``write_file``.
``lab.topology.Network(kernel, plan)``, ``lab.topologies``
    A context manager of hosts (network namespaces of that kernel) on segments: ``network["director-1"]`` is a ``Host``
    with ``run(*argv)``, ``popen(*argv)``, ``address(interface)``, ``dump()``, ``table()``.
``lab.apiserver.ApiServer(tools.find(), directory)``
    etcd and kube-apiserver, outside that kernel, started after ``boot()``; hosts reach it by their interface ``mgmt0``.
    ``start()``, ``stop()`` (``etcd=True``: etcd as well), ``restart()``, ``close()``, ``install_crds()``,
    ``kubectl(*args, input=, check=) -> Finished``, ``apply(text)``, ``admin_kubeconfig`` (a path),
    ``kubeconfig_for(token)`` (text), ``service_account_token(namespace, name)``, ``url``, ``etcd_url``.
``lab.processes``
    ``wait_until(condition, what, seconds=30)``.
    ``Operator(kubeconfig, log)``: ``poll()``, ``kill()``, ``stop()``, ``restart()``.
    ``Agent(host, log, manifests=PATH | kubeconfig=TEXT, node=, options=)``: the same, ``send_signal(n)``,
    ``cleanup()``, ``command(verb, *options)`` for ``host.run`` and ``state_dir``.
    ``HttpServer(host, port=80, name=)``: ``behave("ok" | "error" | "silent")``, ``stop()``, ``start()``.
    ``requests(host, vip, count, port=80) -> Replies`` (servers, clients, failures: dictionaries of counts).
    ``hold(host, vip, port=80, seconds=300) -> Hold``; ``release() -> Held`` (server, replies, longest_gap, error).

tests/integration/conftest.py has these as fixtures: ``kernel``, ``network(plan) -> Network``, ``api_server`` (or
``api``; emptied after each test), ``processes.agent(host, ...)`` and ``processes.operator(kubeconfig)``, whose logs
are shown when a test fails.

``python -m lab run -- COMMAND`` runs a command inside the kernel itself; ``python -m lab tools`` builds etcd,
kube-apiserver and kubectl, which takes minutes, once.
"""
