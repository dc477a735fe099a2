"""Asks a Service of its own namespace for /readyz; run by `helm test`.

The address comes from the environment that Kubernetes gives to pods: a cluster may be without DNS, and agents' pods are
on their nodes' network.
"""

import http.client
import os
import sys

name, port = sys.argv[1], int(sys.argv[2])
address = os.environ[f"{name.upper().replace('-', '_')}_SERVICE_HOST"]
connection = http.client.HTTPConnection(address, port, timeout=10)
connection.request("GET", "/readyz")
reply = connection.getresponse()
print(name, reply.status, reply.read().decode().strip(), flush=True)
sys.exit(reply.status != 200)
