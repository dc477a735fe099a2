"""Asks every address of a Service's name for /readyz; run by `helm test`."""

import http.client
import socket
import sys

name, port = sys.argv[1], int(sys.argv[2])
failed = False
for address in sorted({str(found[4][0]) for found in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)}):
    connection = http.client.HTTPConnection(address, port, timeout=10)
    connection.request("GET", "/readyz")
    reply = connection.getresponse()
    print(name, address, reply.status, reply.read().decode().strip(), flush=True)
    failed |= reply.status != 200
sys.exit(failed)
