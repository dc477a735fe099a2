"""Asks a Service of its own namespace for /readyz until it is ready; run by `helm test`.

The address comes from the environment that Kubernetes gives to pods: a cluster may be without DNS, and agents' pods are
on their nodes' network. Nodes may take a moment to know a Service that is new.
"""

import http.client
import os
import sys
import time

name, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
address = os.environ[f"{name.upper().replace('-', '_')}_SERVICE_HOST"]
deadline = time.monotonic() + seconds
while True:
    try:
        connection = http.client.HTTPConnection(address, port, timeout=10)
        connection.request("GET", "/readyz")
        reply = connection.getresponse()
        status, said = reply.status, reply.read().decode().strip()
    except OSError as error:
        status, said = 0, str(error)
    if status == 200 or time.monotonic() > deadline:
        break
    time.sleep(1)
print(name, status, said, flush=True)
sys.exit(status != 200)
