"""The only place with sockets, netlink, /proc and subprocesses: reads and writes plain values, decides nothing."""
