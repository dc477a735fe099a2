# The node agent. Its context is made by `make images`: program/ is the code with its dependencies from agent.lock.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS base
COPY install.sh left-out agent.packages /build/
RUN sh /build/install.sh /build/agent.packages

FROM base AS build
COPY program /opt/lvs-operator
COPY compile.sh /build/
RUN sh /build/compile.sh /opt/lvs-operator lvs_agent kubernetes.aio pyroute2

FROM base
COPY --from=build /opt/lvs-operator /opt/lvs-operator
ENV PATH=/opt/lvs-operator/bin:/usr/sbin:/usr/bin:/sbin:/bin PYTHONPATH=/opt/lvs-operator PYTHONDONTWRITEBYTECODE=1
# It writes to the kernel: there is no user but root who may.
ENTRYPOINT ["lvs-agent"]
CMD ["run"]
